"use strict";
(() => {
  const cards = [...document.querySelectorAll(".card")];
  const bar = document.getElementById("filters");
  if (!bar) return;
  const chosen = { level: "", error: "" };
  const shown = () => cards.filter((card) => !card.hidden);
  const apply = () => {
    for (const card of cards) {
      card.hidden = Object.entries(chosen).some(([key, value]) => value && card.dataset[key] !== value);
    }
    document.getElementById("shown").textContent = `${shown().length} shown`;
  };
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    chosen[button.dataset.key] = button.dataset.value;
    for (const other of bar.querySelectorAll(`[data-key="${button.dataset.key}"]`)) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    apply();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !"jk".includes(event.key)) return;
    const list = shown();
    const at = list.indexOf(document.activeElement.closest(".card"));
    const next = list[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "center" });
    }
  });
  bar.hidden = false;
  apply();
})();

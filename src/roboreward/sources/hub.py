"""Datasets on the Hugging Face hub: the files that are read are fetched, each once, into the hub's own cache.

The only file of this package that uses a network, and only for an address that begins with `hf://`. Where the hub is
(`HF_ENDPOINT`), where its cache is (`HF_HOME`), whether the network may be used (`HF_HUB_OFFLINE`) and who asks
(`HF_TOKEN`, `hf auth login`) is left to the library `huggingface_hub`; no token passes through here.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roboreward.core import MissingExtra, UsageError, shorten
from roboreward.sources.cells import is_file, licence_of_card, path_in

_SCHEME: Final = re.compile(r"hf:/")
_ADDRESS: Final = re.compile(
    r"hf:/{1,2}datasets/(?P<owner>[\w.-]{1,96})/(?P<name>[\w.-]{1,96})"
    r"(?:@(?P<revision>[^@\s/]{1,200}))?(?P<inside>(?:/(?!\.\.?(?:/|$))[^@/]+)*)/?"
)
"""The library's own scheme, `hf://datasets/owner/name@revision/folder`. One slash where `pathlib` went over it."""
_TABLES: Final = "meta/episodes/chunk-{:03d}/file-{:03d}.parquet"
"""Where LeRobot v3.0 has its episodes; a constant of its writer (`DEFAULT_EPISODES_PATH`). Counted up and not listed,
so that a second reading needs no network, and a huge repository no list of all its files."""


def is_hub_address(path: Path | str) -> bool:
    """Return whether a path is an address on the hub; one that went through `Path` is."""
    return _SCHEME.match(_posix(path)) is not None


@dataclass(frozen=True)
class HubFolder:
    """A folder of a dataset's repository at one commit. A file is fetched when its path is asked for.

    Attributes:
        repo: Such as "lerobot/pusht".
        revision: The commit, 40 hexadecimal digits.
        inside: The folder in the repository; empty for the whole.
        snapshot: Where the repository is in the cache.
    """

    repo: str
    revision: str
    inside: str
    snapshot: Path

    @property
    def folder(self) -> Path:
        """Where the files are in the cache."""
        return self.snapshot / self.inside

    @property
    def name(self) -> str:
        """A name that no other folder of the hub has, without slashes."""
        return f"{self.repo}/{self.inside}".strip("/").replace("/", "--")

    @property
    def licence(self) -> str | None:
        """As the dataset card states it."""
        return licence_of_card(self.snapshot)

    def path(self, name: str) -> Path:
        """Return the path of a file, having fetched it; there is nothing at it where the hub has no such file.

        Raises:
            DataError: The name leads out of the folder.
            UsageError: The hub cannot be reached or does not give the file out; says what to do.
        """
        inside = f"{self.inside}/{name}" if self.inside else name
        path = path_in(self.snapshot, inside)
        self._fetch(inside)
        return path

    def fetch_meta(self, *, is_v2: bool, num_episodes: int) -> None:
        """Fetch the dataset card, and what a LeRobot dataset of this version says of its episodes.

        Raises:
            UsageError: As for `path`.
        """
        self._fetch("README.md")
        for name in ("episodes.jsonl", "tasks.jsonl") if is_v2 else ("tasks.parquet",):
            self.path(f"meta/{name}")
        if not is_v2:
            self._fetch_tables(num_episodes)

    def _fetch_tables(self, num_episodes: int) -> None:
        """Fetch chunk after chunk, file after file; there are no more tables than episodes, and no more chunks."""
        chunk = file = 0
        for _ in range(2 * num_episodes + 1):
            if is_file(self.path(_TABLES.format(chunk, file))):
                file += 1
            elif file:
                chunk, file = chunk + 1, 0
            else:
                return

    def _fetch(self, name: str) -> None:
        hub = _library()
        known = hub.try_to_load_from_cache(
            self.repo, name, repo_type="dataset", revision=self.revision
        )
        if known is None:
            _download(self.repo, self.revision, name)


def open_on_hub(address: Path | str, *, marker: str) -> HubFolder:
    """Find a folder on the hub, at the commit that its address names.

    The commit must be named: a branch or tag may move, and the same recipe would then read something else. Where it is
    not, the error gives the address with the commit.

    Args:
        address: `hf://datasets/owner/name@commit`, and a folder behind that where the dataset is not the repository.
        marker: The file that such a folder has, which is fetched.

    Raises:
        UsageError: The address makes no sense or names no commit; there is no such dataset, commit or file; it is
            gated; the hub cannot be reached. `MissingExtra` where huggingface_hub is not installed.
    """
    found = _ADDRESS.fullmatch(_posix(address))
    if found is None:
        text = f"{shorten(_posix(address))!r} is no address of a dataset on the hub"
        raise UsageError(f"{text}. Write hf://datasets/owner/name@commit.")
    repo, inside = f"{found['owner']}/{found['name']}", found["inside"].strip("/")
    name = f"{inside}/{marker}" if inside else marker
    path = _download(repo, found["revision"] or "main", name)
    if path is None:
        text = f"{repo} on the hub has no {name}"
        raise UsageError(
            f"{text}. Give the address of a LeRobot dataset (the folder that holds meta)."
        )
    snapshot = path.parents[name.count("/")]
    if found["revision"] != snapshot.name:
        pinned = f"hf://datasets/{repo}@{snapshot.name}{found['inside']}"
        text = f"{repo}: {found['revision'] or 'main'!r} may stand for another commit tomorrow"
        raise UsageError(f"{text}. Name the one that it is today: {pinned}")
    return HubFolder(repo, snapshot.name, inside, snapshot)


def _posix(path: Path | str) -> str:
    return path.as_posix() if isinstance(path, Path) else path


def _library() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        raise MissingExtra("huggingface_hub", "hub", "Reading from the hub") from error
    return huggingface_hub


def _download(repo: str, revision: str, name: str) -> Path | None:
    """Return the path of a file in the cache, having fetched it where it is not there; None where the hub has none."""
    hub = _library()
    with _explained(repo, revision):
        try:
            return Path(hub.hf_hub_download(repo, name, repo_type="dataset", revision=revision))
        except hub.errors.LocalEntryNotFoundError:  # it is not known whether the hub has it
            raise
        except hub.errors.EntryNotFoundError:
            return None


@contextmanager
def _explained(repo: str, revision: str) -> Iterator[None]:
    """Turn what the library raises into an error of ours. Its own texts hold addresses, which may be signed."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        text = f"{repo} is gated. Ask for access on its page on the hub, then set HF_TOKEN or run `hf auth login`."
        raise UsageError(text) from error
    except errors.RepositoryNotFoundError as error:
        text = f"There is no dataset {repo} on the hub, or it is private. Check the name; for a private one"
        raise UsageError(f"{text} set HF_TOKEN or run `hf auth login`.") from error
    except errors.RevisionNotFoundError as error:
        text = f"{repo} has no revision {shorten(revision)!r}. Check it on its page on the hub."
        raise UsageError(text) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise UsageError(_unreachable(repo, error.__cause__ or error, errors)) from error
    except ValueError as error:
        text = f"{repo}: the hub allows no such name ({shorten(error)}). Check the address."
        raise UsageError(text) from error
    # HTTPError: the root of what the HTTP library raises that it uses.
    except (errors.HTTPError, OSError) as error:
        raise UsageError(_unreachable(repo, error, errors)) from error


def _unreachable(repo: str, error: BaseException, errors: Any) -> str:
    if isinstance(error, errors.OfflineModeIsEnabled):
        text = f"{repo}: the files that are needed are not all in the hub's cache, and HF_HUB_OFFLINE forbids to fetch"
        return f"{text} them. Unset it, or read the dataset once on a machine with a network and copy the cache."
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return f"{repo}: the hub does not accept the token (401). Set HF_TOKEN or run `hf auth login` again."
    cause = type(error).__name__ if status is None else f"it answers {status}"
    text = f"{repo} cannot be fetched from the hub ({cause}). Check the network and the space on the disk"
    return f"{text}, and start again: files that are complete are not fetched twice."

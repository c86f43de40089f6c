"""`roboreward score`: one verdict a video, explained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roboreward.cli.api_options import ApiChoices, api_options, asking
from roboreward.cli.edge import EXIT_FINDINGS, EXIT_INPUT, json_option, plain, print_json

if TYPE_CHECKING:
    from roboreward.core import FrameSample, RewardModel, Verdict

_EVERY_FRAME = 1_000_000


@click.command()
@click.argument(
    "videos", nargs=-1, required=True, metavar="VIDEO...", type=click.Path(path_type=Path)
)
@click.option("--task", required=True, help="What the robot was told to do.")
@click.option(
    "--model",
    "uri",
    default="nano",
    show_default=True,
    help="Reward model; see `roboreward models`.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="OUT.png",
    help="Save the frames that were seen as a picture (numbered when there are several videos).",
)
@click.option(
    "--curve",
    "num_anchors",
    is_flag=False,
    flag_value=_EVERY_FRAME,
    type=click.IntRange(1),
    metavar="[N]",
    help="Also score the first frames alone, N numbers of them up to all; without N after every frame.",
)
@api_options
@json_option
@click.pass_context
def score(
    ctx: click.Context,
    videos: tuple[Path, ...],
    task: str,
    uri: str,
    picture: Path | None,
    num_anchors: int | None,
    as_json: bool,
    api: ApiChoices,
) -> None:
    """Score how far the robot in each VIDEO got with the task, from 1 to 5.

    With --curve N also along the video, from the frames that are seen of the whole: nothing is smoothed or stretched.

    \b
    Exit codes:
      0  every video got an answer; abstaining is an answer
      1  a model gave no usable answer for some video
      2  a usage error, or some video could not be read (the others are still scored)
    """
    from roboreward.judge import check_task

    task = check_task(task)
    results = []
    with asking(api):
        model = _loaded(uri)
        if picture is not None:
            _check_picture(picture)
        for position, video in enumerate(videos):
            target = picture and _numbered(picture, position, len(videos))
            result = _score_one(video, task, model, target, num_anchors)
            results.append(result)
            if not as_json:
                _show(result, is_first=position == 0)
    if as_json:
        print_json({"task": task, "model": model.name, "results": [_as_json(r) for r in results]})
    ctx.exit(_exit_code(results))


def _loaded(uri: str) -> "RewardModel":
    from roboreward.core import FittedOnLabels, UsageError
    from roboreward.models import load_model

    model = load_model(uri)
    if isinstance(model, FittedOnLabels):
        raise UsageError(
            f"{uri} learns from the labels of a set, so it answers only in `roboreward bench run`. "
            "For single videos use another model: `roboreward models` lists them."
        )
    return model


def _check_picture(picture: Path) -> None:
    from roboreward.core import UsageError

    if picture.suffix.lower() != ".png":
        raise UsageError(
            f"--picture writes PNG files; give a name that ends in .png, not {picture.name!r}."
        )
    if not picture.parent.is_dir():
        raise UsageError(f"--picture: the folder {picture.parent} does not exist. Create it first.")


def _numbered(picture: Path, position: int, num_videos: int) -> Path:
    if num_videos == 1:
        return picture
    return picture.with_name(
        f"{picture.stem}-{position + 1:0{len(str(num_videos))}d}{picture.suffix}"
    )


def _score_one(
    video: Path, task: str, model: "RewardModel", picture: Path | None, num_anchors: int | None
) -> dict[str, Any]:
    """Return the video with its verdicts, or with the error that kept it from having one."""
    from roboreward.core import DataError, Query, curve_of
    from roboreward.media import sample_frames

    try:
        sample = sample_frames(video, policy=model.frame_policy)
    except DataError as error:
        return {"video": video, "error": error}
    query = Query(sample, task)
    if num_anchors is None:
        verdict, curve = model.score([query])[0], None
    else:
        anchors = _anchors(len(sample.record.indices), num_anchors)
        curve = list(zip(anchors, curve_of(model, query, anchors), strict=True))
        verdict = curve[-1][1]  # of all frames
    if picture is not None:
        _save_picture(picture, sample, verdict, task)
    return {"video": video, "verdict": verdict, "picture": picture, "curve": curve}


def _anchors(num_frames: int, num_anchors: int) -> list[int]:
    """Return numbers of frames, evenly spread, of which the last is all of them."""
    num = min(num_frames, num_anchors)
    return [-(-num_frames * place // num) for place in range(1, num + 1)]


def _save_picture(path: Path, sample: "FrameSample", verdict: "Verdict", task: str) -> None:
    import io

    from roboreward.media import contact_sheet
    from roboreward.store import write_atomic

    answer = f"{verdict.score}/5" if verdict.is_scored else verdict.status
    buffer = io.BytesIO()
    contact_sheet(sample, caption=f"{task}: {answer} ({verdict.model})").save(buffer, format="PNG")
    write_atomic(path, buffer.getvalue())


def _show(result: dict[str, Any], *, is_first: bool) -> None:
    from roboreward.cli.verdict_view import print_curve, print_verdict

    if not is_first:
        click.echo()
    if "error" in result:
        click.echo(f"Error: {plain(str(result['error']))}", err=True)
        return
    print_verdict(result["video"], result["verdict"])
    if result["curve"] is not None:
        print_curve(result["curve"])
    if result["picture"] is not None:
        click.echo(f"  picture   {plain(str(result['picture']))}")


def _as_json(result: dict[str, Any]) -> dict[str, Any]:
    video = str(result["video"])
    if "error" in result:
        error = result["error"]
        reason = getattr(error, "reason", "bad_data")
        return {"video": video, "error": {"reason": reason, "message": str(error)}}
    verdict: Verdict = result["verdict"]
    answer = verdict.model_dump(mode="json") | {"progress": verdict.progress}
    picture = result["picture"]
    told: dict[str, Any] = {
        "video": video,
        "verdict": answer,
        "picture": None if picture is None else str(picture),
    }
    if result["curve"] is not None:
        told["curve"] = [_anchor_json(num, verdict) for num, verdict in result["curve"]]
    return told


def _anchor_json(num_frames: int, verdict: "Verdict") -> dict[str, Any]:
    time_s = verdict.frames.timestamps_s[-1] if verdict.frames is not None else None
    keys = ("status", "score", "expected", "success_prob", "reason")
    answer = {key: getattr(verdict, key) for key in keys}
    return {
        "num_frames": num_frames,
        "time_s": time_s,
        **answer,
        "progress": verdict.progress,
    }


def _exit_code(results: list[dict[str, Any]]) -> int:
    if any("error" in result for result in results):
        return EXIT_INPUT
    verdicts = [result["verdict"] for result in results]
    verdicts += [verdict for result in results for _, verdict in result["curve"] or ()]
    answered = all(verdict.status in ("scored", "abstained") for verdict in verdicts)
    return 0 if answered else EXIT_FINDINGS

"""A disk that is full: one line, nothing lost, and on with more room."""

from pathlib import Path

from tests.conftest import NewRun, Run, remount

SMALL = ("[50, 200]", "[50]")


def test_a_full_disk_is_one_line_and_with_more_room_it_goes_on(
    small_disk: Path, new_run: NewRun, preparation: Path, mirror: Path
) -> None:
    made = new_run(SMALL)
    run = Run(made.file, small_disk / "workspace", mirror)
    options = "--cell", "50-random-s1", "--cache", str(preparation)
    assert f"{small_disk / 'workspace'}: its disk has" in run.call("plan").stdout
    said = []
    for kilobytes in (100, 500, 400_000):
        remount(small_disk, f"size={kilobytes}k")
        result = run.call("run", *options)
        assert "Traceback" not in result.stderr
        if result.returncode == 0:
            break
        said.append(result.stderr)
    assert result.returncode == 0, result.stderr
    assert said and all("the disk is full; make room" in it for it in said)
    other = Run(made.file, made.workspace_root, mirror)
    assert other.call("run", *options).returncode == 0
    scores = [
        it.workspace.record(it.pipeline.score(it.cell(50, "random"))).scores for it in (run, other)
    ]
    assert scores[0] == scores[1]

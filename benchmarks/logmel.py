"""From 1,200 files to log-mel spectrograms on the disk: how long, beside a bare loop?"""

from benchmarks.common import (
    CORES,
    Clips,
    Target,
    clips,
    command,
    floor,
    in_turn,
    less,
    options,
    page,
    python,
    ratios,
    scratch_folder,
)

SECONDS = 8.0


def spectrograms(some: Clips) -> float:
    """Return the seconds of a command that leaves them on the disk, nothing cached before."""
    with scratch_folder() as folder:
        return command(
            "train",
            *some.words,
            "model=cnn",
            "trainer=debug",
            f"cache_dir={folder}",
            f"output_root={folder}",
        )


def looped(some: Clips) -> float:
    """Return the seconds of the bare loop."""
    with scratch_folder() as folder:
        files = folder / "list.txt"
        files.write_text("\n".join(map(str, some.paths)), encoding="utf-8")
        return floor("logmel", files, folder, CORES)[0]


def main() -> None:
    """Time all, and write the page."""
    chosen = options(dataset="ravdess", clips=1200)
    some = clips(chosen)
    seconds = in_turn(
        {
            "emotion train trainer=debug: the files, spectrograms and one step": lambda: (
                spectrograms(some)
            ),
            "python -c 'import torch, lightning'": lambda: python("-c", "import torch, lightning")[
                0
            ],
            "bare loop": lambda: looped(some),
        },
        chosen.repeats,
    )
    whole, imports, bare = seconds.values()
    beyond = less(whole, imports)
    page(
        "logmel",
        "How long does it take from files to log-mel spectrograms on the disk?",
        what=f"{chosen.voices} to 128 × 128 int16, {CORES} processes",
        times=seconds,
        unit="seconds",
        targets=[Target("seconds beyond the bare import", beyond, SECONDS)],
        notes=[
            f"That is {min(ratios(beyond, bare)):.1f} times the bare loop at best. Two peers took "
            "35 s and 21 s for 1,440 clips of RAVDESS on another machine of two cores."
        ],
    )


if __name__ == "__main__":
    main()

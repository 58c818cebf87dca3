# The report's code lies beside this notebook or is installed. Where it is
# neither, this installs it from SOURCE, which may be a wheel, a folder or a
# git address ("git+https://..."), or else from a wheel beside the notebook.
SOURCE = ""


class Stop(Exception):
    """A message that Jupyter shows alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def find_code(source: str) -> None:
    import subprocess
    import sys
    from importlib import import_module, invalidate_caches, metadata
    from importlib.util import find_spec
    from pathlib import Path

    def wheel() -> str:
        drive = "/content/drive/MyDrive"  # Colab's, where it is mounted
        folders = (drive, f"{drive}/Colab Notebooks", ".")
        found = [w for f in folders for w in Path(f).glob("aevb_report-*.whl")]
        return str(found[-1]) if found else ""

    if Path("code").is_dir():
        sys.path[:0] = ["code", "."]
    here = find_spec("aevb") is not None
    if here and find_spec("ripser") and not source:
        return  # the code and what it needs
    source = source or wheel() or ("." if here else "")
    if not source and "google.colab" in sys.modules:
        print("Upload the wheel, aevb_report-*.whl:")
        import_module("google.colab.files").upload()
        source = wheel()
    if not source:
        raise Stop(
            "The report's code is not installed: put its wheel, "
            "aevb_report-*.whl (`make wheel` builds it), beside this "
            "notebook, or set SOURCE in this cell, and run it again."
        )
    if Path(source).exists():
        source = str(Path(source).resolve())
    elif "://" not in source:  # pip would take it for a stranger's package
        raise Stop(f"SOURCE names nothing that is here: {source}")
    print(f"installing {source}")
    names = [n for n in ("numpy", "matplotlib", "torch") if n in sys.modules]
    before = [metadata.version(name) for name in names]
    command = [sys.executable, "-m", "pip", "install", "--quiet", source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Stop(f"pip could not install {source}:\n{done.stderr}")
    invalidate_caches()
    if before != [metadata.version(name) for name in names]:
        raise Stop("pip renewed what is in use: restart the kernel, run again")


find_code(SOURCE)

from press.jupyter import show_markdown

show_markdown()  # Markdown that a cell prints is shown as such

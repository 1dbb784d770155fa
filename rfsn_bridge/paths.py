"""Where things lie: in a checkout at its top, in a wheel inside the package; the player's data elsewhere."""

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent if (_PACKAGE.parent / "pyproject.toml").is_file() else None
_ROOT = _CHECKOUT or _PACKAGE / "_builtin"

builtin_plugins = _ROOT / "plugins"
catalogue = _ROOT / "models" / "catalogue.yaml"
default_config = _ROOT / "config.yaml"
benchmarks = _ROOT / "benchmarks"
game_adapters = _ROOT / "game_adapters"
pages = _PACKAGE / "pages"


def data_folder(override: str | os.PathLike[str] | None = None) -> Path:
    """The player's data folder: `override`, else RFSN_DATA, else the platform's own. Not created here."""
    chosen = override or os.environ.get("RFSN_DATA")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(platformdirs.user_data_dir("rfsn-bridge", appauthor=False))


def model_folders(data: Path) -> tuple[Path, ...]:
    """Where model files are looked for, in order: a checkout's `models/`, then the data folder's."""
    pulled = data / "models"
    return (_CHECKOUT / "models", pulled) if _CHECKOUT else (pulled,)

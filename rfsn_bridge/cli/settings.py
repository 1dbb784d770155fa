"""Where a command finds its config and data: options, RFSN_* variables, the data folder, defaults."""

import argparse
import os
from pathlib import Path

from rfsn_bridge import config, paths
from rfsn_bridge.config import Config


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="config.yaml (default: RFSN_CONFIG, the data folder's, ours)"
    )
    parser.add_argument("--data", metavar="FOLDER", help="data folder (default: RFSN_DATA, or the platform's)")


def config_path(args: argparse.Namespace) -> Path:
    """The config.yaml that holds: as told, else the data folder's own, else the one we ship."""
    if told := args.config or os.environ.get("RFSN_CONFIG"):
        return Path(told).expanduser().resolve()
    own = paths.data_folder(args.data) / "config.yaml"
    return own if own.is_file() else paths.default_config


def load(args: argparse.Namespace) -> tuple[Config, Path]:
    """The config in force and the folder of its file; raises ConfigError."""
    path = config_path(args)
    return config.load(path), path.parent

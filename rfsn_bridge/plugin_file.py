"""The one way a plugin file becomes a module, in the daemon and in the voice process alike."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from rfsn_bridge.errors import PluginError

_NAMESPACE = "rfsn_bridge_plugins"


def load(path: Path, sha256: str | None = None) -> ModuleType:
    """Import `path` as `rfsn_bridge_plugins.<stem>`; raises PluginError whatever its code does.

    With `sha256`, the very bytes that are executed must have that sum.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}", "check plugins.folder") from error
    if sha256 is not None and hashlib.sha256(source).hexdigest() != sha256:
        raise PluginError(f"{path} has changed since it was loaded", "restart the daemon")
    name = f"{_NAMESPACE}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise PluginError(f"{path} is not a Python file", "a plugin is one file ending in .py")
    package = sys.modules.setdefault(_NAMESPACE, ModuleType(_NAMESPACE))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # this is what loading is
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(
            f"{path} raised {type(error).__name__} when it was loaded: {error}", "mend it, or take it away"
        ) from error
    setattr(package, path.stem, module)
    return module

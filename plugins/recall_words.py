"""Recall by words: turns that share rare words with the line, weighed by how recent and important they are."""

from rfsn_bridge import NoOptions, PluginError, Recall, Register, Services, hookimpl


def _words(options: NoOptions, services: Services) -> Recall:
    if services.memory is None:
        raise PluginError("there is no memory to recall from", "this part works inside the daemon")
    return services.memory


@hookimpl
def register_recall(register: Register[Recall]) -> None:
    register("words", _words)

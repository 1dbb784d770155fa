"""A pack of world rules, read from the YAML file beside this one."""

from pathlib import Path

from rfsn_bridge import Register, WorldRules, hookimpl

_FILE = Path(__file__).with_suffix(".yaml")


@hookimpl
def register_world_rules(register: Register[WorldRules]) -> None:
    register("night_guards", lambda options, services: WorldRules(_FILE.name, _FILE.read_bytes()))

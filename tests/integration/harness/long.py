"""--all: tests that are marked `long` are run only with it."""


def add_option(parser):
    parser.addoption("--all", action="store_true", help="also what takes minutes")


def add_marker(config):
    config.addinivalue_line("markers", "long: takes minutes; only with --all")


def deselect(config, items):
    if config.getoption("--all"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)

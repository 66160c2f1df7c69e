# How a module of a phase tree is run; its arguments are KIND FILE ROOT.
#
# The module's main is called with its configuration, and what it returns
# becomes an exit code, a message, and what later siblings are told. A module
# without main is a script. KIND is "module", or "orchestrator" for the index.py
# of a directory. This imports what it needs before the module's own directory
# becomes a place to import from, where anything may be called like a module.
import ast, importlib.util, inspect, json, os, pathlib, runpy, sys, traceback

kind, path, root = sys.argv[1:4]
here = os.path.dirname(path)
name = os.path.splitext(os.path.basename(path))[0]
sys.argv[:] = [path]

config = json.loads(os.environ.get("QUINTET_CONFIG") or "{}")
handed = {}
for one in json.loads(os.environ.get("QUINTET_HANDED_ON") or "[]"):
    handed.update(one)
config.update(handed)


class State:
    """What a main(path, state) may write into."""

    def __init__(self):
        self.status, self.phase, self.current_step = "running", name, None
        self.logs, self.errors, self.warnings, self.children = [], [], [], []
        self.config = config

    def add_log(self, text):
        self.logs.append(text)
        print(text)

    def add_error(self, text):
        self.errors.append(text)

    def add_warning(self, text):
        self.warnings.append(text)
        print(text)


def callables():
    """The names of main and run that the module itself has at its top."""
    with open(path, "rb") as file:
        top = ast.parse(file.read(), path).body
    names = set()
    for one in top:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(one.name)
        elif isinstance(one, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in one.names)
        elif isinstance(one, ast.Assign):
            names.update(t.id for t in one.targets if isinstance(t, ast.Name))
    return [n for n in ("main", "run") if n in names]


def call(main):
    """Calls main with as much as it takes; gives its result and its state."""
    state = State()
    places = [
        p
        for p in inspect.signature(main).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and (p.default is p.empty or p.name in ("config", "state"))
    ]
    second = state if places and places[-1].name == "state" else config
    if len(places) >= 2:
        result = main(pathlib.Path(here), second)
    elif places:
        alone = pathlib.Path(here) if kind == "orchestrator" and "path" in places[0].name else second
        result = main(alone)
    else:
        result = main()
    if inspect.isawaitable(result):
        import asyncio

        async def wait():
            return await result

        result = asyncio.run(wait())
    return state if result is None else result


def judged(result):
    """What a result means: whether it is a success, its message, what else it has."""
    if isinstance(result, bool):
        return result, "", {}
    if isinstance(result, int):
        return result == 0, "", {}
    if isinstance(result, dict):
        extra = {k: v for k, v in result.items() if k not in ("success", "message")}
        return bool(result.get("success", True)), str(result.get("message") or ""), extra
    if hasattr(result, "status") or hasattr(result, "errors"):
        status = getattr(result, "status", "")
        status = str(getattr(status, "value", status) or "").rsplit(".", 1)[-1].lower()
        errors = [str(error) for error in getattr(result, "errors", None) or []]
        failed = status in ("failed", "failure", "error")
        passed = status in ("completed", "success", "succeeded", "skipped")
        return passed or not (failed or errors), "\n".join(errors), {}
    return True, "", {}


def hand_on(extra):
    """Tells later siblings what earlier ones were told, and what is new."""
    told = {**handed, **{str(k): v for k, v in extra.items()}}
    file = os.environ.get("QUINTET_OUTPUT")
    if not told or not file:
        return
    line = "config=" + json.dumps(told, default=str) + "\n"
    if len(line) > 60000:
        print(f"{name}: what it returns is too long to be handed on", file=sys.stderr)
        return
    with open(file, "a") as out:
        out.write(line)


def run():
    sys.path[:1] = [here, root]
    mains = callables()
    if not mains:
        runpy.run_path(path, run_name="__main__")
        return True, "", {}
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return judged(call(getattr(module, mains[0])))


extra = {}
try:
    success, message, extra = run()
    code = 0 if success else 1
    if message:
        print(message, file=sys.stdout if success else sys.stderr)
    elif not success:
        print(f"{name} says that it failed", file=sys.stderr)
except SystemExit as end:
    code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
except BaseException:
    traceback.print_exc()
    code = 1
hand_on(extra)
sys.stdout.flush()
sys.exit(code)

"""Parses a test script; every name in it must be known: lint.py FILE NODE..."""

import ast
import builtins
import sys

DRIVER = {
    "start_all", "subtest", "machines", "vlans", "driver", "log", "os", "join_all", "retry", "polling_condition",
    "serial_stdout_on", "serial_stdout_off", "create_machine", "run_tests", "t",
}

file, *nodes = sys.argv[1:]
with open(file, encoding="utf-8") as script:
    tree = ast.parse(script.read())
known = set(dir(builtins)) | DRIVER | set(nodes)
names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
known |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
known |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
unknown = sorted(f"line {node.lineno}: {node.id}" for node in names if node.id not in known)
if unknown:
    sys.exit("names that nothing defines: " + ", ".join(unknown))

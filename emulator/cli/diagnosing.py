"""``dcc-emulator diagnose``: how a running server is, and what is amiss."""

import typer

from emulator.cli.output import ExitCode, JsonFlag, console, print_fields, print_json, print_rows, verb
from emulator.cli.remote import DEFAULT_SERVER, ServerOption, TokenOption, ask


@verb
def diagnose(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", json_output: JsonFlag = False) -> None:
    """Say versions, ports, changed settings and the state of each world, and what is amiss with its remedy.

    Ends with 1 when something is amiss.
    """
    found = ask(server, "default", token, lambda client: client.diagnose())
    if json_output:
        print_json(found)
    else:
        print_fields("versions", {**found["versions"], "platform": found["platform"]})
        print_fields("ports", found["ports"])
        changed = {key: each for key, each in found["settings"].items() if each["origin"] != "default"}
        print_rows(("Setting", "Value", "From"), [(key, str(each["value"]), each["origin"]) for key, each in changed.items()])
        for name, world in found["worlds"].items():
            print_fields(f"world {name}", world)
        for each in found["warnings"]:
            print_rows(("Amiss", "Remedy"), [(f"{each['where']}: {each['problem']}", each["remedy"])])
        if found["in_order"]:
            console().print("nothing is amiss")
    if not found["in_order"]:
        raise typer.Exit(ExitCode.VERDICT)

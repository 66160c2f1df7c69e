"""Writes the texts that the manifest has decided on."""

import json
import os
import pathlib


def main(config):
    # The root's paths, with their variables replaced.
    prefix = pathlib.Path(json.loads(os.environ["QUINTET_PATHS"])["prefix"])
    for one in config["texts"]:
        (prefix / "share/greeter" / one["name"]).write_text(one["text"] + "\n")
    return {"success": True, "message": f"wrote {len(config['texts'])} texts"}

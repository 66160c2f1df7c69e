"""Decides which texts are to be installed, and tells those who come later."""


def main(config):
    greetings = config.get("greetings", {})
    if not greetings:
        return {"success": False, "message": "there is no greeting to install"}
    texts = [{"name": name, "text": text} for name, text in sorted(greetings.items())]
    # Every key but these two is handed on to later siblings.
    return {"success": True, "message": f"{len(texts)} texts", "texts": texts}

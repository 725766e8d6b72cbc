"""A stand-in for a real agent: it says where it runs and whether it could log in; it never says the token."""

import os
import pathlib
import sys

PROMPTS = pathlib.Path(__file__).parent / "prompts"


def main() -> int:
    prompts = sorted(PROMPTS.glob("*.md"))
    if not prompts:
        print(f"no prompts in {PROMPTS}", file=sys.stderr)
        return 1
    if "--check" in sys.argv:
        return 0
    login = "with a token" if os.environ.get("AGENT_TOKEN") else "without a token"
    print(f"stage {os.environ['STAGE']}, {login}, {len(prompts)} prompts: {', '.join(p.stem for p in prompts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

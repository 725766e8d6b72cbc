import pulumi

from opencomputer import Sandbox, Snapshot

snapshot = Snapshot(
    "agent",
    image={
        "steps": [
            {"type": "add_local_dir", "args": {"localPath": "./agent", "path": "/workspace/agent"}},
            {"type": "workdir", "args": {"path": "/workspace/agent"}},
        ]
    },
)
sandbox = Sandbox("agent", snapshot=snapshot.ref, timeout=3600)

pulumi.export("contentHash", snapshot.content_hash)
pulumi.export("sandboxId", sandbox.sandbox_id)

"""The two resources by their type tokens, for programs that do not want a generated SDK."""

from typing import Any, Mapping, Optional

import pulumi


class Snapshot(pulumi.CustomResource):
    """A named checkpoint of an image; `image` is a manifest, whose steps may name local files."""

    def __init__(
        self,
        resource_name: str,
        image: Mapping[str, Any],
        opts: Optional[pulumi.ResourceOptions] = None,
        **args: Any,
    ):
        outputs = {"name": None, "contentHash": None, "ref": None}
        super().__init__("opencomputer:index:Snapshot", resource_name, {**outputs, "image": image, **args}, opts)

    @property
    @pulumi.getter(name="contentHash")
    def content_hash(self) -> pulumi.Output[str]:
        return pulumi.get(self, "contentHash")

    @property
    @pulumi.getter
    def ref(self) -> pulumi.Output[str]:
        return pulumi.get(self, "ref")


class Sandbox(pulumi.CustomResource):
    """A running sandbox, started from a snapshot or an image."""

    def __init__(self, resource_name: str, opts: Optional[pulumi.ResourceOptions] = None, **args: Any):
        super().__init__("opencomputer:index:Sandbox", resource_name, {"sandboxId": None, **args}, opts)

    @property
    @pulumi.getter(name="sandboxId")
    def sandbox_id(self) -> pulumi.Output[str]:
        return pulumi.get(self, "sandboxId")

import { providerText } from "../../provider/dynamic";
import { launch, ProviderProcess } from "./provider-process";
import { repository } from "./pulumi-stack";

/**
 * Pulumi's own dynamic-provider program with one of our resources: the text in the state, the conversion of values and
 * the log are the real ones, without the time that the CLI takes.
 */
export class DynamicProcess extends ProviderProcess {
  static async start(resource: keyof typeof providerText, env: Record<string, string>): Promise<DynamicProcess> {
    const program = require.resolve("@pulumi/pulumi/cmd/dynamic-provider");
    const parts = await launch({ program, cwd: repository, env });
    const started = new DynamicProcess(parts, (properties) => ({ ...properties, __provider: providerText[resource] }));
    await started.configure({});
    return started;
  }
}

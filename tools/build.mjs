import { provideDist } from "./dist.mjs";
import { runProgram } from "./main-program.mjs";
import { provideNodeModules } from "./node-modules.mjs";

/** `npm run build`: dist/ from the sources, with the npm packages that this takes. */
await runProgram(async () => {
  await provideNodeModules();
  await provideDist();
  return 0;
});

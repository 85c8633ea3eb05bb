import type { Reporter, TestModule } from "vitest/node";

/** Lists the suites that the machine could not run, and how to get what they need, after the results. */
export class UnavailableSuites implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = modules.flatMap((module) =>
      [...module.children.allSuites()].flatMap((suite) => {
        const { unavailable } = suite.meta();
        // Inner suites inherit the reason.
        const isOuter = suite.parent.type === "module" || suite.parent.meta().unavailable === undefined;
        return unavailable === undefined || !isOuter
          ? []
          : [`  ${module.relativeModuleId} > ${suite.fullName}: ${unavailable}`];
      }),
    );
    if (lines.length > 0) console.log(["Unavailable on this machine, not run:", ...lines, ""].join("\n"));
  }
}

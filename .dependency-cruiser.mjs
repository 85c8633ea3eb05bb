/**
 * The rooms of src/ from the cellar upwards. A file may import from its own room and from the rooms before it: what
 * a room needs lies below it, so that a newcomer can read the house from the bottom.
 */
const rooms = [
  "src/errors.ts",
  "src/dtype.ts",
  "src/values.ts",
  "src/tensor.ts",
  "src/breather.ts",
  "src/files/",
  "src/config/",
  "src/data/",
  "src/graph/",
  "src/passes/",
  "src/plan/",
  "src/runtime/",
  "src/formats/",
  "src/layers/",
  "src/train/",
  "src/models/",
  "src/datasets/",
  "src/vectors/",
  "src/report/",
  "src/index.ts",
  "src/recipe/",
  "recipes/",
  "src/cli/",
];
const isTest = "[.](test|case)[.]ts$";

const order = rooms.slice(0, -1).map((room, i) => ({
  name: `nothing above ${room}`,
  severity: "error",
  comment: "Imports go one way only: see the list of rooms in .dependency-cruiser.mjs.",
  from: { path: `^${room}`, pathNot: isTest },
  to: { path: rooms.slice(i + 1).map((above) => `^${above}`) },
}));

export default {
  forbidden: [
    ...order,
    {
      name: "a room for every file",
      severity: "error",
      comment: "A file of src/ belongs to one of the rooms in .dependency-cruiser.mjs.",
      from: {},
      to: { path: "^src/", pathNot: rooms.map((room) => `^${room}`) },
    },
    {
      name: "no cycles",
      severity: "error",
      comment:
        "Two files that import each other are one file, or need a third below both. Only ops know each other: their " +
        "gradients are written in ops.",
      from: { pathNot: isTest },
      to: { circular: true, via: { pathNot: "^src/graph/" } },
    },
    {
      name: "nothing unresolved",
      severity: "error",
      comment: "Every import resolves.",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no tests in the product",
      severity: "error",
      comment: "Only tests import tests.",
      from: { path: "^(src|recipes)/", pathNot: isTest },
      to: { path: [isTest, "^tests/"] },
    },
    {
      name: "no development packages in the product",
      severity: "error",
      comment: "What src/ imports must be installed with the package.",
      from: { path: "^(src|recipes)/", pathNot: isTest },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["npm-peer"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};

import type { Backend } from "../../src/index.js";

/** A backend with another way of loading programs; everything else is that of the given one. */
export const wrapped = (backend: Backend, load: Backend["load"]): Backend => ({
  name: backend.name,
  kind: backend.kind,
  capabilities: backend.capabilities,
  allocate: (bytes) => backend.allocate(bytes),
  register: (tenant) => backend.register(tenant),
  reclaim: () => backend.reclaim(),
  close: () => backend.close(),
  load,
});

export interface Served {
  /** Without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly folders: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly isolated: boolean;
  readonly port?: number;
}

export const folders: Readonly<Record<string, string>>;
export function serve(options: ServeOptions): Promise<Served>;
export function digitFiles(count: number): Promise<Record<string, Uint8Array>>;

/**
 * What outlives a reload of the plugin: each part of the adapter keeps one value here, as JSON, written when a frame
 * ends in which it changed.
 */

export class Store {
  private readonly parts: Part[] = [];

  constructor(private readonly storage: Record<string, unknown>) {}

  /** What was kept before under this name; undefined if nothing was, or if it is broken. */
  load(name: string): unknown {
    const kept = this.storage[PREFIX + name];
    if (typeof kept !== "string") return undefined;
    try {
      return JSON.parse(kept) as unknown;
    } catch {
      return undefined;
    }
  }

  /** Keep what `value` gives. Call what this returns whenever that has changed. */
  keep(name: string, value: () => unknown): () => void {
    const part: Part = { name, value, changed: false };
    this.parts.push(part);
    return () => {
      part.changed = true;
    };
  }

  flush(): void {
    for (const part of this.parts) {
      if (!part.changed) continue;
      part.changed = false;
      this.storage[PREFIX + part.name] = JSON.stringify(part.value());
    }
  }
}

interface Part {
  readonly name: string;
  readonly value: () => unknown;
  changed: boolean;
}

const PREFIX = "rfsn.";

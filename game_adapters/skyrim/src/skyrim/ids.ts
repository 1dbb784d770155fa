/**
 * FormIDs as ids that mean the same in every load order: the part of the FormID that the plugin file gave, and that
 * file. `00013bbd|skyrim.esm`; what was made in play is `ff000d62|save`.
 */

import type { NpcId } from "../game";

const LIGHT = 0xfe;
const SAVE = 0xff;
const LIGHT_PLUGINS = 4096;

/** The game's own names of its plugin files; empty where there is none. */
export interface LoadOrder {
  full(index: number): string;
  light(index: number): string;
}

export class Ids {
  private readonly forms = new Map<string, number>();
  private readonly ids = new Map<number, string>();
  private plugins: Map<string, number> | undefined;

  constructor(private readonly order: LoadOrder) {}

  /** World call, for a FormID that is seen for the first time. */
  id(formId: number): NpcId {
    const form = formId >>> 0;
    const known = this.ids.get(form);
    if (known !== undefined) return known;
    const id = this.make(form);
    this.ids.set(form, id);
    this.forms.set(id, form);
    return id;
  }

  /** World call, for an id that is seen for the first time. Undefined where its plugin is not loaded. */
  form(id: NpcId): number | undefined {
    const known = this.forms.get(id);
    if (known !== undefined) return known;
    const bar = id.indexOf("|");
    const local = parseInt(id.slice(0, bar), 16);
    if (bar < 1 || !(local >= 0)) return undefined;
    const base = this.base(id.slice(bar + 1));
    if (base === undefined) return undefined;
    const form = (base + local) >>> 0;
    this.forms.set(id, form);
    return form;
  }

  private make(form: number): NpcId {
    const index = form >>> 24;
    if (index === SAVE) return `${hex(form)}|save`;
    if (index === LIGHT) return `${hex(form & 0xfff)}|${plain(this.order.light((form >>> 12) & 0xfff))}`;
    return `${hex(form & 0xffffff)}|${plain(this.order.full(index))}`;
  }

  private base(plugin: string): number | undefined {
    if (plugin === "save") return 0;
    if (!this.plugins) this.plugins = this.readOrder();
    return this.plugins.get(plugin);
  }

  private readOrder(): Map<string, number> {
    const plugins = new Map<string, number>();
    for (let index = 0; index < LIGHT; index++) {
      const name = this.order.full(index);
      if (name !== "") plugins.set(plain(name), index * 0x1000000);
    }
    for (let index = 0; index < LIGHT_PLUGINS; index++) {
      const name = this.order.light(index);
      if (name === "") break;
      plugins.set(plain(name), LIGHT * 0x1000000 + index * 0x1000);
    }
    return plugins;
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/** Lowercase ASCII: Papyrus ignores case, and other adapters should find the same id. */
function plain(file: string): string {
  return file.replace(/[^\x20-\x7e]+/g, (other) => encodeURIComponent(other)).toLowerCase();
}

/**
 * The part of Skyrim Platform that this plugin uses, in our own words. The published typings are under the GPL and
 * stay out; where these say less than those, nothing here needs more.
 *
 * "World call" marks what the game forbids outside of `update` and its own events. Forms and actors are good for the
 * frame in which they were got and no longer: keep FormIDs.
 */
declare module "skyrimPlatform" {
  // --- Events

  /** What `on` and `once` give, for `unsubscribe`. */
  interface EventHandle {
    readonly eventName: string;
  }

  interface EventMap {
    /** Each frame of the running game; not in menus that stop it. World calls are allowed. */
    update: [];
    /** Each frame, in menus too. World calls are not allowed. */
    tick: [];
    combatState: [event: { target: ObjectReference | null; actor: ObjectReference; isCombat: boolean; isSearching: boolean }];
    crosshairRefChanged: [event: { reference?: ObjectReference | null }];
    locationChanged: [event: { actor: ObjectReference; oldLoc?: Location | null; newLoc?: Location | null }];
    hit: [event: { target: ObjectReference; aggressor: ObjectReference | null; isHitBlocked: boolean }];
    deathStart: [event: { actorDying: ObjectReference; actorKiller: ObjectReference | null }];
    questStart: [event: { quest: Quest }];
    questStage: [event: { quest: Quest; stage: number }];
    questStop: [event: { quest: Quest }];
    saveGame: [event: object];
    preLoadGame: [event: object];
    postLoadGame: [event: object];
    loadGame: [event: object];
    newGame: [event: object];
    menuOpen: [event: { name: string }];
    menuClose: [event: { name: string }];
    /** What a Papyrus script sent with `SendModEvent`. */
    modEvent: [event: { eventName: string; strArg: string; numArg: number }];
    /** A key, mouse or controller button; `code` is the DirectX scan code. */
    buttonEvent: [event: { code: number; isDown: boolean }];
    /** What a page sent with `window.skyrimPlatform.sendMessage(...)`. */
    browserMessage: [event: { arguments: unknown[] }];
  }

  function on<K extends keyof EventMap>(event: K, callback: (...event: EventMap[K]) => void): EventHandle;
  function once<K extends keyof EventMap>(event: K, callback: (...event: EventMap[K]) => void): EventHandle;
  function unsubscribe(handle: EventHandle): void;

  // --- Runtime

  function printConsole(...values: unknown[]): void;
  /** Outlives the hot reload of plugins, not the game. */
  const storage: Record<string, unknown>;
  /** `Data/Platform/Plugins/<plugin>-settings.txt`, by plugin. */
  const settings: Record<string, Record<string, unknown> | undefined>;

  const browser: {
    setVisible(visible: boolean): void;
    setFocused(focused: boolean): void;
    isFocused(): boolean;
    /** One page for all plugins; takes effect only once the mouse has moved. */
    loadUrl(url: string): void;
    executeJavaScript(code: string): void;
  };

  /** `status` is 0 where there was no answer. */
  interface HttpResponse {
    status: number;
    body: string;
    error?: string;
  }

  class HttpClient {
    constructor(url: string);
    get(path: string, options: { headers?: Record<string, string> }, callback: (response: HttpResponse) => void): void;
    post(
      path: string,
      options: { body: string; contentType: string; headers?: Record<string, string> },
      callback: (response: HttpResponse) => void,
    ): void;
  }

  // --- The world; all of it is world calls

  namespace Game {
    function getPlayer(): Actor | null;
    function getFormEx(formId: number): Form | null;
    /** The file of a full plugin, by the first byte of its FormIDs; empty where there is none. */
    function getModName(index: number): string;
    /** The file of a light plugin, by the 12 bits after 0xFE. */
    function getLightModName(index: number): string;
    function getCurrentCrosshairRef(): ObjectReference | null;
  }

  namespace Utility {
    /** Days. */
    function getCurrentGameTime(): number;
  }

  namespace Debug {
    function notification(text: string): void;
  }

  class Form {
    getFormID(): number;
    getName(): string;
    getType(): number;
  }

  class Location extends Form {}
  class Race extends Form {}
  class VoiceType extends Form {}
  class Quest extends Form {}
  class Scene extends Form {}

  class Faction extends Form {
    static from(form: Form | null): Faction | null;
  }

  class Keyword extends Form {
    static from(form: Form | null): Keyword | null;
  }

  class Topic extends Form {
    static from(form: Form | null): Topic | null;
  }

  class ActorBase extends Form {
    /** 0 male, 1 female, -1 neither. */
    getSex(): number;
  }

  class Cell extends Form {
    getNumRefs(formType: number): number;
    getNthRef(index: number, formType: number): ObjectReference | null;
  }

  class ObjectReference extends Form {
    static from(form: Form | null): ObjectReference | null;
    getDisplayName(): string;
    hasKeyword(keyword: Keyword): boolean;
    getParentCell(): Cell | null;
    getCurrentLocation(): Location | null;
    getCurrentScene(): Scene | null;
    getVoiceType(): VoiceType | null;
    getPositionX(): number;
    getPositionY(): number;
    getPositionZ(): number;
    /** Degrees, clockwise from north (+y). */
    getAngleZ(): number;
    getDistance(other: ObjectReference): number;
    is3DLoaded(): boolean;
    isDisabled(): boolean;
    getItemCount(item: Form): number;
    getNumItems(): number;
    getNthForm(index: number): Form | null;
    removeItem(item: Form, count: number, silent: boolean, to: ObjectReference | null): void;
    say(topic: Topic, speakAs: Actor | null, inPlayersHead: boolean): void;
  }

  class Actor extends ObjectReference {
    static override from(form: Form | null): Actor | null;
    isDead(): boolean;
    isInCombat(): boolean;
    getCombatTarget(): Actor | null;
    isWeaponDrawn(): boolean;
    isHostileToActor(other: Actor): boolean;
    isChild(): boolean;
    isUnconscious(): boolean;
    isPlayerTeammate(): boolean;
    isInDialogueWithPlayer(): boolean;
    isInFaction(faction: Faction): boolean;
    getRace(): Race | null;
    getLeveledActorBase(): ActorBase | null;
    /** -4 (archnemesis) to 4 (lover). */
    getRelationshipRank(other: Actor): number;
    getActorValue(name: string): number;
    setActorValue(name: string, value: number): void;
    setLookAt(target: ObjectReference, pathing: boolean): void;
    clearLookAt(): void;
    setExpressionOverride(mood: number, strength: number): void;
    clearExpressionOverride(): void;
    /** One of the sixteen morphs of the mouth, 0 to 1. */
    setExpressionPhoneme(morph: number, weight: number): void;
    startCombat(target: Actor): void;
    stopCombat(): void;
    evaluatePackage(): void;
    keepOffsetFromActor(
      target: Actor,
      x: number,
      y: number,
      z: number,
      angleX: number,
      angleY: number,
      angleZ: number,
      catchUpRadius: number,
      followRadius: number,
    ): void;
    clearKeepOffsetFromActor(): void;
    /** Whether it arrived; settled much later, and never while the game stands still. */
    pathToReference(target: ObjectReference, walkRunPercent: number): Promise<boolean>;
    showBarterMenu(): void;
  }
}

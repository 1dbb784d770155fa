// RFSN Bridge for Skyrim Platform. Built from game_adapters/skyrim/src; change it there.
(function () {
"use strict";
var __defProp = Object.defineProperty;
var __defProps = Object.defineProperties;
var __getOwnPropDescs = Object.getOwnPropertyDescriptors;
var __getOwnPropSymbols = Object.getOwnPropertySymbols;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __propIsEnum = Object.prototype.propertyIsEnumerable;
var __defNormalProp = (obj, key, value) => key in obj ? __defProp(obj, key, { enumerable: true, configurable: true, writable: true, value }) : obj[key] = value;
var __spreadValues = (a, b) => {
	for (var prop in b || (b = {}))
		if (__hasOwnProp.call(b, prop))
			__defNormalProp(a, prop, b[prop]);
	if (__getOwnPropSymbols)
		for (var prop of __getOwnPropSymbols(b)) {
			if (__propIsEnum.call(b, prop))
				__defNormalProp(a, prop, b[prop]);
		}
	return a;
};
var __spreadProps = (a, b) => __defProps(a, __getOwnPropDescs(b));

// src/protocol.ts
var PROTOCOL = "1";
var SUBPROTOCOL = "rfsn.v1";
var MORPHS = 16;
var SHAPES = {
	error: { code: "string", message: "string" },
	notice: { level: "string", code: "string", message: "string" },
	turn_started: { turn_id: "string", npc_id: "string" },
	decision: { turn_id: "string", npc_id: "string", action: "string", state: "object" },
	sentence: { turn_id: "string", npc_id: "string", seq: "number", text: "string" },
	audio: { turn_id: "string", seq: "number", through_seq: "number" },
	audio_dropped: { turn_id: "string", seq: "number" },
	playback: { turn_id: "string", seq: "number", status: "string" },
	turn_finished: { turn_id: "string", status: "string" },
	action_request: { action_id: "string", npc_id: "string", name: "string", arguments: "object" },
	result: {},
	pong: {},
	text_finished: {},
	turn_recorded: { turn_id: "string" }
};
var IDENTIFIED = { session_id: "string", resumed: "boolean", audio: "string", limits: "object" };
function isObject(value) {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
function parseObject(text2) {
	try {
		const value = JSON.parse(text2);
		return isObject(value) ? value : void 0;
	} catch (e) {
		return void 0;
	}
}
function asIdentified(message) {
	return message.type === "identified" && fits(message, IDENTIFIED) ? message : void 0;
}
function asMessage(message) {
	const shape = typeof message.type === "string" ? SHAPES[message.type] : void 0;
	return shape && fits(message, shape) ? message : void 0;
}
function fits(message, shape) {
	return Object.keys(shape).every((field) => typeof message[field] === shape[field] && message[field] !== null);
}

// src/actions.ts
var KIND = ["agree", "accept", "help", "greet", "offer", "defend"];
var ITEMS = 24;
var OFFERS = 32;
var POLITENESS_MS = 12e3;
var REMEMBERED = 64;
var SPECS = [
	{ name: "follow", description: "Walk with the player from now on.", when: KIND },
	{ name: "wait", description: "Stop walking with the player and stay here.", when: [...KIND, "refuse", "farewell"] },
	{
		name: "attack",
		description: "Draw a weapon and fight somebody.",
		requires_target: true,
		when: ["attack", "threaten", "defend", "betray", "help"]
	},
	{ name: "flee", description: "Run away from a fight.", when: ["flee", "refuse", "apologize"] },
	{
		name: "stop_combat",
		description: "Stop fighting and put the weapon away.",
		when: ["apologize", "accept", "agree", "offer", "help", "flee"]
	},
	{ name: "trade", description: "Show the player what is for sale.", when: ["offer", "accept", "agree", "help", "greet"] },
	{
		name: "go_to",
		description: "Go over to somebody.",
		parameters: {
			type: "object",
			properties: { pace: { type: "string", enum: ["walk", "run"] } },
			additionalProperties: false
		},
		requires_target: true,
		when: [...KIND, "attack", "threaten"]
	}
];
function offer(npc, items) {
	const give = {
		name: "give_item",
		description: "Hand the player something that you carry.",
		parameters: {
			type: "object",
			properties: { item: { type: "string", enum: items }, count: { type: "integer", minimum: 1, maximum: 10 } },
			required: ["item"],
			additionalProperties: false
		},
		when: ["agree", "accept", "help", "offer", "apologize"]
	};
	return { type: "actions_register", npc_ids: [npc], actions: [give] };
}
var Actions = class {
	constructor(world, store2, allowed, send, speaking) {
		this.world = world;
		this.allowed = allowed;
		this.send = send;
		this.speaking = speaking;
		this.waiting = [];
		/** Begun, and not answered yet. */
		this.running = [];
		this.done = [];
		/** What each NPC was last said to be able to give. */
		this.offered = /* @__PURE__ */ new Map();
		this.changed = store2.keep("actions", () => ({
			waiting: this.waiting,
			running: this.running,
			offered: Array.from(this.offered)
		}));
		const kept = store2.load("actions");
		if (!isObject(kept)) return;
		if (Array.isArray(kept.waiting)) this.waiting = kept.waiting;
		if (Array.isArray(kept.offered)) this.offered = new Map(kept.offered);
		if (Array.isArray(kept.running)) {
			for (const id of kept.running) this.answer(id, { status: "applied", message: "It is under way." });
		}
	}
	/** What everybody can do, and what some could give, for a daemon that knows nothing of it. */
	introduction() {
		const actions = SPECS.filter(({ name }) => this.allowed.includes(name));
		const messages = actions.length > 0 ? [{ type: "actions_register", actions }] : [];
		for (const [npc, items] of this.offered) if (items.length > 0) messages.push(offer(npc, items));
		return messages;
	}
	/** World call. Somebody is about to be asked something: say what they could give. */
	addressing(npc) {
		var _a;
		if (!this.allowed.includes("give_item")) return;
		const items = this.world.belongings(npc).slice(0, ITEMS);
		const before = (_a = this.offered.get(npc)) != null ? _a : [];
		if (items.join("\n") === before.join("\n")) return;
		this.offered.delete(npc);
		this.offered.set(npc, items);
		if (this.offered.size > OFFERS) this.offered.delete(this.offered.keys().next().value);
		this.changed();
		if (items.length > 0) this.send(offer(npc, items));
		else this.send({ type: "actions_unregister", npc_ids: [npc], names: ["give_item"] });
	}
	request(request, now) {
		const { action_id: id } = request;
		if (this.done.includes(id) || this.running.includes(id) || this.waiting.some((each) => each.request.action_id === id)) return;
		this.waiting.push({ request, since: now });
		this.changed();
	}
	/** World call, each frame. */
	update(now) {
		if (this.waiting.length === 0) return;
		const due = this.waiting.filter((each) => !this.polite(each, now));
		if (due.length === 0) return;
		this.waiting = this.waiting.filter((each) => !due.includes(each));
		for (const { request } of due) this.perform(request);
	}
	/** No world calls. A load, or a session that is gone: nobody waits for these any more. */
	abandon() {
		this.waiting = [];
		this.running = [];
		this.changed();
	}
	polite({ request, since }, now) {
		return request.name === "trade" && now - since < POLITENESS_MS && this.speaking(request.turn_id);
	}
	perform({ action_id: id, npc_id: npc, name, arguments: given, target }) {
		this.running.push(id);
		this.changed();
		if (!this.allowed.includes(name)) {
			this.finish(id, { status: "rejected", message: "That is not allowed in this game." });
			return;
		}
		const deed = { npc, name, arguments: given };
		this.world.perform(target === void 0 ? deed : __spreadProps(__spreadValues({}, deed), { target }), (outcome) => this.finish(id, outcome));
	}
	finish(id, outcome) {
		if (!this.running.includes(id)) return;
		this.running = this.running.filter((each) => each !== id);
		this.answer(id, outcome);
	}
	answer(id, { status, message }) {
		this.done.push(id);
		if (this.done.length > REMEMBERED) this.done.shift();
		this.changed();
		const result = { type: "action_result", action_id: id, status };
		if (message !== void 0) result.message = message.slice(0, 300);
		this.send(result);
	}
};

// src/outbox.ts
var LIMIT = 128;
var Outbox = class {
	/** `boot` is different for each start of the plugin. */
	constructor(boot, changed) {
		this.boot = boot;
		this.changed = changed;
		/** How many were given up for want of room. */
		this.dropped = 0;
		this.entries = [];
		this.counter = 0;
	}
	get size() {
		return this.entries.length;
	}
	add(message, now, options = {}) {
		const entry = {
			id: `${this.boot}-${++this.counter}`,
			message,
			at: now,
			droppable: options.droppable === true,
			refusals: 0,
			sent: false,
			notBefore: 0
		};
		this.entries.push(entry);
		if (this.entries.length > LIMIT) {
			const oldest = this.entries.findIndex((each) => each.droppable);
			this.entries.splice(Math.max(oldest, 0), 1);
			this.dropped += 1;
		}
		this.changed();
		return entry;
	}
	/** The first that waits to be sent; what waits for its time holds up what follows, for order matters. */
	next(now) {
		const entry = this.entries.find((each) => !each.sent);
		return entry && entry.notBefore <= now ? entry : void 0;
	}
	/** Take out what was answered. */
	answered(id) {
		const index = this.entries.findIndex((entry) => entry.id === id);
		if (index < 0) return void 0;
		this.changed();
		return this.entries.splice(index, 1)[0];
	}
	/** Have what the daemon was too busy for sent again, ahead of what was not sent yet. */
	putBack(entry, notBefore) {
		entry.refusals += 1;
		entry.sent = false;
		entry.notBefore = notBefore;
		this.entries.unshift(entry);
		this.changed();
	}
	/** A new connection has carried nothing yet. */
	unsend() {
		for (const entry of this.entries) entry.sent = false;
	}
	/** Give up those of which `keep` says no. */
	sift(keep) {
		const given = this.entries.filter((entry) => !keep(entry.message, entry));
		this.entries = this.entries.filter((entry) => !given.includes(entry));
		this.changed();
		return given;
	}
	/** What goes before all that waits. */
	putFirst(messages, now) {
		const waiting = this.entries;
		this.entries = [];
		for (const message of messages) this.add(message, now);
		this.entries.push(...waiting);
		this.changed();
	}
	dump() {
		return this.entries.map(({ id, message, at, droppable }) => ({ id, message, at, droppable }));
	}
	/** Take up what an earlier start of the plugin left. */
	restore(kept) {
		if (!Array.isArray(kept)) return;
		for (const each of kept.slice(-LIMIT)) {
			if (!isObject(each) || typeof each.id !== "string" || typeof each.at !== "number" || !isObject(each.message)) continue;
			this.entries.push({
				id: each.id,
				message: each.message,
				at: each.at,
				droppable: each.droppable === true,
				refusals: 0,
				sent: false,
				notBefore: 0
			});
		}
	}
};

// src/connection.ts
var FIRST_DELAY_MS = 500;
var LAST_DELAY_MS = 15e3;
var PROVEN_MS = 1e4;
var SETTLED_MS = 15e3;
var STRANDED_MS = 15e3;
var BUSY_MS = 1e3;
var BUSY_TRIES = 6;
var INBOX = 1e3;
var MESSAGES_PER_S = 20;
var BURST = 40;
var Connection = class {
	constructor(game2, store2, ladder, daemon) {
		this.game = game2;
		this.ladder = ladder;
		this.daemon = daemon;
		this.audio = "none";
		this.lastN = 0;
		this.inbox = [];
		this.identified = false;
		this.identifiedAt = 0;
		this.progress = false;
		this.climbing = false;
		this.attempts = 0;
		this.nextTry = 0;
		this.lastTick = 0;
		this.tokens = BURST;
		this.rate = MESSAGES_PER_S;
		this.reported = 0;
		const boot = Math.floor(Math.random() * 2147483647).toString(36);
		this.outbox = new Outbox(
			boot,
			store2.keep("outbox", () => this.outbox.dump())
		);
		this.outbox.restore(store2.load("outbox"));
		this.sessionChanged = store2.keep("session", () => ({ id: this.session, lastN: this.lastN, inbox: this.inbox }));
		const kept = store2.load("session");
		if (isObject(kept) && typeof kept.id === "string" && typeof kept.lastN === "number") {
			this.session = kept.id;
			this.lastN = kept.lastN;
			if (Array.isArray(kept.inbox)) this.inbox = kept.inbox;
		}
	}
	get live() {
		return this.identified;
	}
	/** Whether nothing is under way in either direction. */
	get quiet() {
		return this.outbox.size === 0 && this.inbox.length === 0;
	}
	post(message, options) {
		this.outbox.add(message, this.game.now(), options);
		if (this.outbox.dropped > this.reported) {
			this.reported = this.outbox.dropped;
			this.game.log(`${this.reported} messages to the daemon were given up so far: there was no room to keep them`);
		}
	}
	/** Send what is worth nothing later: it goes now or not at all. */
	postNow(message) {
		if (this.identified && this.tokens >= 1) this.transmit([{ id: void 0, text: JSON.stringify(message) }]);
	}
	/** What has arrived, in order. */
	take() {
		if (this.inbox.length === 0) return void 0;
		this.sessionChanged();
		return this.inbox.shift();
	}
	/** `standing`: the world stands still, so that some transports cannot answer. `calm`: a good moment to change. */
	tick(now, standing, calm) {
		var _a;
		const passed = Math.max(0, Math.min(now - this.lastTick, 250));
		this.lastTick = now;
		this.tokens = Math.min(BURST, this.tokens + passed / 1e3 * this.rate);
		(_a = this.transport) == null ? void 0 : _a.tick(now, standing ? 0 : passed);
		if (!this.transport) {
			if (now >= this.nextTry) this.open(now);
		} else if (this.identified) {
			this.sendWaiting(now);
			if (calm && this.quiet && now - this.identifiedAt > SETTLED_MS) this.climb(this.transport, now);
		}
	}
	open(now) {
		const rung = this.ladder.pick(now);
		if (!rung) {
			this.stranded(now);
			return;
		}
		this.strandedSince = void 0;
		const identify = __spreadValues({ type: "identify", protocol: PROTOCOL }, this.daemon.identity());
		if (this.session !== void 0) identify.resume = { session_id: this.session, last_n: this.lastN };
		const listener = this.listen();
		const opening = { identify: JSON.stringify(identify), lastN: this.lastN, listener };
		this.listener = listener;
		this.identified = false;
		this.progress = false;
		this.transport = rung.open(opening);
		this.transport.start();
	}
	/** Say it if there has been nothing to connect with for a while: the page may need time to load. */
	stranded(now) {
		if (this.strandedSince === void 0) this.strandedSince = now;
		if (now - this.strandedSince < STRANDED_MS) return;
		this.strandedSince = Infinity;
		this.daemon.unreachable("there is no way to connect with these settings", void 0);
	}
	/** What a transport tells counts only while it is the present one. */
	listen() {
		const listener = {
			identified: (message) => this.listener === listener && this.begin(message),
			received: (message) => this.listener === listener && this.receive(message),
			refused: (ids) => this.listener === listener && this.refuse(ids),
			closed: (reason, said) => this.listener === listener && this.lose(reason, said)
		};
		return listener;
	}
	begin(message) {
		const now = this.game.now();
		this.identified = true;
		this.identifiedAt = now;
		this.climbing = false;
		this.audio = message.audio;
		this.rate = Math.min(MESSAGES_PER_S, Math.max(1, message.limits.messages_per_second * 0.8));
		this.outbox.unsend();
		if (!message.resumed) {
			this.session = message.session_id;
			this.lastN = 0;
			this.inbox = [];
			this.daemon.gaveUp(this.outbox.sift((each, { at }) => this.daemon.outlives(each, now - at)));
			this.outbox.putFirst(this.daemon.introduction(), now);
		}
		this.sessionChanged();
		this.daemon.connected(message);
		this.sendWaiting(now);
	}
	receive(message) {
		var _a;
		if (message.n !== void 0) {
			if (message.n <= this.lastN) return;
			this.lastN = message.n;
		}
		this.prove();
		const entry = message.re === void 0 ? void 0 : this.outbox.answered(message.re);
		if (entry && message.type === "error") {
			this.sessionChanged();
			this.answerError(entry, message.code, message.hint ? `${message.message}: ${message.hint}` : message.message);
			return;
		}
		this.inbox.push(message);
		if (this.inbox.length > INBOX) this.game.log(`too much to keep while the game stands still: ${(_a = this.inbox.shift()) == null ? void 0 : _a.type}`);
		this.sessionChanged();
	}
	answerError(entry, code, text2) {
		if ((code === "busy" || code === "rate_limited") && entry.refusals < BUSY_TRIES) {
			this.outbox.putBack(entry, this.game.now() + BUSY_MS);
		} else {
			this.daemon.refused(entry.message, code, text2);
		}
	}
	refuse(ids) {
		for (const id of ids) {
			const entry = id === void 0 ? void 0 : this.outbox.answered(id);
			if (entry) this.daemon.refused(entry.message, "bad_message", "the daemon could not read it");
		}
	}
	prove() {
		if (this.progress || !this.transport || !this.identified) return;
		this.progress = true;
		this.attempts = 0;
	}
	lose(reason, said) {
		var _a;
		const now = this.game.now();
		const kind = (_a = this.transport) == null ? void 0 : _a.kind;
		const wasLive = this.identified;
		this.leave();
		if (kind !== void 0) {
			if (wasLive && now - this.identifiedAt > PROVEN_MS) this.ladder.worked(kind);
			else this.ladder.failed(kind, now, this.climbing);
		}
		this.climbing = false;
		const delay = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, this.attempts - 1));
		this.nextTry = this.attempts === 0 && wasLive ? now : now + delay * (0.8 + 0.4 * Math.random());
		this.attempts += 1;
		this.game.log(`connection over ${kind != null ? kind : "nothing"} ${wasLive ? "lost" : "failed"}: ${reason}`);
		if (!wasLive) this.daemon.unreachable(reason, said);
	}
	climb(transport, now) {
		if (!this.ladder.better(transport.kind, now)) return;
		this.leave();
		transport.stop();
		this.climbing = true;
		this.open(now);
	}
	leave() {
		this.transport = void 0;
		this.listener = void 0;
		this.identified = false;
	}
	sendWaiting(now) {
		const envelopes = [];
		for (let entry = this.outbox.next(now); entry && this.tokens - envelopes.length >= 1; entry = this.outbox.next(now)) {
			entry.sent = true;
			envelopes.push({ id: entry.id, text: JSON.stringify(__spreadValues({ id: entry.id }, entry.message)) });
		}
		if (envelopes.length > 0) this.transmit(envelopes);
	}
	transmit(envelopes) {
		var _a;
		this.tokens -= envelopes.length;
		(_a = this.transport) == null ? void 0 : _a.send(envelopes);
	}
};

// src/conversation.ts
var LONGEST = 1e3;
var HEARERS = 16;
var Conversation = class {
	constructor(world, store2, settings2, npcs, listener) {
		this.world = world;
		this.settings = settings2;
		this.npcs = npcs;
		this.listener = listener;
		this.changed = store2.keep("conversation", () => this.partner);
		const kept = store2.load("conversation");
		if (typeof kept === "string") this.partner = kept;
	}
	/** World call. Settle who will be meant by the next line, before the player types it; undefined if nobody can be. */
	address() {
		var _a;
		const npc = (_a = this.within(this.world.addressee())) != null ? _a : this.within(this.partner);
		if (npc === void 0 || !this.npcs.introduce(npc)) {
			this.listener.notify("Nobody is near enough to talk with.");
			return void 0;
		}
		if (npc !== this.partner) {
			this.partner = npc;
			this.changed();
		}
		return npc;
	}
	/** World call. Say something to who was addressed before, or else to who is there now. */
	say(text2, addressed) {
		var _a;
		const line = text2.trim().slice(0, LONGEST);
		if (line === "") return;
		const npc = (_a = this.within(addressed)) != null ? _a : this.address();
		if (npc === void 0 || !this.npcs.introduce(npc)) return;
		if (this.world.scripted(npc)) {
			this.listener.notify(`${this.npcs.name(npc)} is busy and does not listen.`);
			return;
		}
		const near = this.world.near(this.settings.hearing_distance).filter((each) => each !== npc);
		const hearers = near.slice(0, HEARERS).filter((each) => this.npcs.introduce(each));
		this.listener.addressing(npc);
		const context = { time_of_day: timeOfDay(this.world.gameTime()) };
		const place = this.world.place();
		if (place !== "") context.location = place.slice(0, 256);
		this.listener.send({ type: "player_line", npc_id: npc, text: line, hearers, context });
	}
	within(npc) {
		if (npc === void 0 || !this.world.here(npc)) return void 0;
		return this.world.distance(npc) <= this.settings.talk_distance ? npc : void 0;
	}
};
function timeOfDay(days) {
	const hour = (days - Math.floor(days)) * 24;
	if (hour < 5) return "night";
	if (hour < 8) return "early morning";
	if (hour < 11) return "morning";
	if (hour < 14) return "midday";
	if (hour < 18) return "afternoon";
	if (hour < 22) return "evening";
	return "night";
}

// src/game.ts
var PLAYER = "player";

// src/events.ts
var MERGE_MS = 5e3;
var PER_S = 4;
var BURST2 = 12;
var PAIRS = 32;
var Events = class {
	constructor(world, npcs, hearingDistance, send) {
		this.world = world;
		this.npcs = npcs;
		this.hearingDistance = hearingDistance;
		this.send = send;
		/** How many went untold because there were too many. */
		this.untold = 0;
		this.blows = /* @__PURE__ */ new Map();
		this.allowance = BURST2;
		this.refilled = 0;
	}
	// World calls, all of them.
	update(now) {
		if (this.blows.size === 0) return;
		for (const [pair, blows] of Array.from(this.blows)) {
			if (now < blows.until) continue;
			this.blows.delete(pair);
			if (blows.count > 0) this.tellBlows(blows, now);
		}
	}
	/** The first blow is told at once, those that follow in one sentence later. */
	hit(target, aggressor, blocked, now) {
		if (!this.concerns(target, aggressor)) return;
		const pair = `${aggressor}>${target}`;
		const blows = this.blows.get(pair);
		if (blows) {
			blows.count += 1;
			if (blocked) blows.blocked += 1;
			return;
		}
		if (this.blows.size >= PAIRS) {
			this.untold += 1;
			return;
		}
		this.blows.set(pair, { target, aggressor, count: 0, blocked: 0, until: now + MERGE_MS });
		this.tellBlows({ target, aggressor, count: 1, blocked: blocked ? 1 : 0, until: 0 }, now);
	}
	combat(npc, target, active, now) {
		if (!this.concerns(npc, target)) return;
		this.npcs.watch(npc);
		const against = target === void 0 ? "" : ` ${this.name(target)}`;
		const text2 = active ? `${this.name(npc)} started fighting${against}.` : `${this.name(npc)} stopped fighting.`;
		this.tell(active ? "combat_started" : "combat_ended", others(npc, target), text2, now, target ? { target } : {});
	}
	death(npc, killer, now) {
		if (!this.concerns(npc, killer)) return;
		const by = killer === void 0 || killer === npc ? "" : ` by ${this.name(killer)}`;
		const text2 = by === "" ? `${this.name(npc)} died.` : `${this.name(npc)} was killed${by}.`;
		const concerned = others(npc, killer).concat(this.npcs.witnesses());
		this.tell("death", unique(concerned), text2, now, killer === void 0 ? { victim: npc } : { victim: npc, killer });
	}
	moved(place, from, now) {
		if (place === "") return;
		const data = from === "" ? { location: place } : { location: place, from };
		this.tell("location_changed", this.npcs.witnesses(), `The player came to ${place}.`, now, data);
	}
	quest(change, name, now) {
		if (name === "") return;
		const words = { started: "began", updated: "moved on", ended: "came to its end" };
		const kinds = { started: "quest_started", updated: "quest_updated", ended: "quest_ended" };
		this.tell(kinds[change], this.npcs.witnesses(), `The player's quest "${name}" ${words[change]}.`, now, { quest: name });
	}
	tellBlows({ target, aggressor, count, blocked }, now) {
		const times = count === 1 ? "" : count === 2 ? " twice" : ` ${count} times`;
		const and = blocked === 0 ? "" : blocked === count ? " and blocked it" : ` and blocked ${blocked} of these`;
		const text2 = `${this.name(target)} was hit by ${this.name(aggressor)}${times}${and}.`;
		this.tell("hit", others(target, aggressor), text2, now, { target, aggressor, count, blocked });
	}
	/** The player or somebody we know takes part, and everybody in it is known from now on. */
	concerns(one2, other) {
		const parts = others(one2, other);
		const player = one2 === PLAYER || other === PLAYER;
		if (!player && !parts.some((npc) => this.npcs.isKnown(npc))) return false;
		for (const npc of parts) {
			if (!this.npcs.isKnown(npc) && this.world.distance(npc) <= this.hearingDistance * 2) this.npcs.introduce(npc);
		}
		return true;
	}
	name(npc) {
		var _a, _b;
		return this.npcs.isKnown(npc) || npc === PLAYER ? this.npcs.name(npc) : (_b = (_a = this.world.facts(npc)) == null ? void 0 : _a.name) != null ? _b : "somebody";
	}
	tell(kind, concerned, text2, now, data) {
		this.allowance = Math.min(BURST2, this.allowance + Math.max(0, now - this.refilled) / 1e3 * PER_S);
		this.refilled = now;
		if (this.allowance < 1 && kind !== "death") {
			this.untold += 1;
			return;
		}
		this.allowance -= 1;
		const sentence = text2.charAt(0).toUpperCase() + text2.slice(1, 500);
		const npc_ids = concerned.filter((npc) => this.npcs.isKnown(npc));
		this.send({ type: "game_event", kind, npc_ids, text: sentence, data, game_time: this.world.gameTime() });
	}
};
function others(one2, other) {
	return [one2, other].filter((npc) => npc !== void 0 && npc !== PLAYER);
}
function unique(npcs) {
	return Array.from(new Set(npcs));
}

// src/lips.ts
var PATIENCE_MS = 3e4;
var Lips = class {
	constructor(world, store2) {
		this.world = world;
		this.targets = new Array(MORPHS).fill(0);
		this.weights = new Array(MORPHS).fill(0);
		this.timeline = [];
		this.position = 0;
		/** Mouths that are to be shut as soon as the world allows. */
		this.open = [];
		this.openSince = 0;
		this.changed = store2.keep("lips", () => this.mouth === void 0 ? this.open : this.open.concat(this.mouth));
		const kept = store2.load("lips");
		if (Array.isArray(kept)) this.open = kept.filter((npc) => typeof npc === "string");
	}
	/** World call. Begin to move a mouth; nothing moves before `move`. */
	begin(npc, timeline) {
		this.end();
		this.open = this.open.filter((each) => !this.shut(each));
		this.timeline = timeline;
		this.position = 0;
		this.changed();
		if (timeline.length === 0) return;
		this.mouth = npc;
		this.targets.fill(0);
		this.weights.fill(0);
	}
	/** World call. Put the mouth where it is at `heard` ms of the sentence. */
	move(heard) {
		if (this.mouth === void 0) return;
		const from = this.position;
		for (let step = this.timeline[from]; step && step[0] <= heard; step = this.timeline[++this.position]) {
			this.targets[step[1]] = step[2];
		}
		if (this.position === from) return;
		for (let morph = 0; morph < MORPHS; morph++) {
			const weight = this.targets[morph];
			if (weight === this.weights[morph]) continue;
			this.weights[morph] = weight;
			this.world.moveMouth(this.mouth, morph, weight);
		}
	}
	/** The sentence is over: the mouth is shut at the next `settle`. */
	end() {
		if (this.mouth === void 0) return;
		this.open.push(this.mouth);
		this.mouth = void 0;
		this.timeline = [];
		this.changed();
	}
	/** World call, each frame: shut what is to be shut. */
	settle(now) {
		if (this.open.length === 0) {
			this.openSince = 0;
			return;
		}
		if (this.openSince === 0) this.openSince = now;
		const waiting = this.open.filter((npc) => !this.shut(npc));
		const settled = waiting.length < this.open.length;
		this.open = now - this.openSince > PATIENCE_MS ? [] : waiting;
		if (settled || this.open.length === 0) this.changed();
	}
	shut(npc) {
		if (!this.world.position(npc)) return false;
		for (let morph = 0; morph < MORPHS; morph++) this.world.moveMouth(npc, morph, 0);
		return true;
	}
};

// src/npcs.ts
var TEND_MS = 100;
var LIMIT2 = 128;
var Npcs = class {
	constructor(world, store2, send) {
		this.world = world;
		this.send = send;
		this.known = /* @__PURE__ */ new Map();
		this.round = [];
		this.nextTend = 0;
		this.changed = store2.keep("npcs", () => Array.from(this.known));
		const kept = store2.load("npcs");
		if (!Array.isArray(kept)) return;
		for (const each of kept) {
			if (!Array.isArray(each) || typeof each[0] !== "string" || !isObject(each[1])) continue;
			this.known.set(each[0], each[1]);
		}
	}
	isKnown(npc) {
		return this.known.has(npc);
	}
	/** Kept from when they were introduced, so that no world call is needed. */
	name(npc) {
		var _a, _b;
		return npc === PLAYER ? "the player" : (_b = (_a = this.known.get(npc)) == null ? void 0 : _a.facts.name) != null ? _b : "somebody";
	}
	/** World call. See to it that the daemon knows them as they are now; false if there is nobody. */
	introduce(npc) {
		const facts = this.world.facts(npc);
		const conditions = this.world.conditions(npc);
		if (!facts || !conditions) return false;
		const before = this.known.get(npc);
		if (before && same(before.facts, facts)) {
			this.refresh(npc, before, conditions);
			return true;
		}
		const known = { facts, conditions };
		this.known.delete(npc);
		this.known.set(npc, known);
		this.changed();
		this.send(update(npc, known), false);
		if (this.known.size > LIMIT2) this.forget([this.known.keys().next().value]);
		return true;
	}
	/** World call. Tell what an NPC is in the middle of if that has changed. */
	watch(npc) {
		const known = this.known.get(npc);
		const conditions = known && this.world.conditions(npc);
		if (known && conditions) this.refresh(npc, known, conditions);
	}
	/** World call, each frame: look after one of them every now and then. */
	tend(now) {
		if (now < this.nextTend) return;
		this.nextTend = now + TEND_MS;
		const npc = this.round.pop();
		if (npc === void 0) this.round = Array.from(this.known.keys());
		else if (!this.known.has(npc)) return;
		else if (this.world.here(npc)) this.watch(npc);
		else this.forget([npc]);
	}
	/** They died, left, or were unloaded. */
	forget(npcs) {
		const gone = npcs.filter((npc) => this.known.delete(npc));
		if (gone.length === 0) return;
		this.changed();
		this.send({ type: "npc_gone", npc_ids: gone }, false);
	}
	/** World call. Who of them is here, and would see what happens. */
	witnesses() {
		return Array.from(this.known.keys()).filter((npc) => this.world.here(npc));
	}
	/** Everybody, for a daemon that knows nobody. */
	introductions() {
		return Array.from(this.known, ([npc, known]) => update(npc, known));
	}
	refresh(npc, known, conditions) {
		if (same(known.conditions, conditions)) return;
		known.conditions = conditions;
		this.changed();
		this.send({ type: "npc_update", npc_id: npc, name: known.facts.name, conditions }, true);
	}
};
function update(npc, { facts, conditions }) {
	return __spreadProps(__spreadValues({ type: "npc_update", npc_id: npc }, facts), { conditions });
}
function same(one2, other) {
	return JSON.stringify(one2) === JSON.stringify(other);
}

// src/pause.ts
var STALLED_MS = 1e3;
var RUNNING_FRAMES = 30;
var Pause = class {
	constructor(changed) {
		this.changed = changed;
		this.paused = false;
		this.menus = /* @__PURE__ */ new Set();
		this.lastFrame = 0;
		/** It has stood still since the last frame. */
		this.stood = true;
		this.frames = 0;
	}
	menu(name, open) {
		if (open) this.menus.add(name);
		else this.menus.delete(name);
		this.frames = 0;
		this.set(this.menus.size > 0);
	}
	/** Each frame, in menus too. */
	tick(now) {
		if (this.lastFrame > 0 && now - this.lastFrame > STALLED_MS) this.set(true);
	}
	/** Each frame of the world. Gives the milliseconds of it that have passed. */
	frame(now) {
		const passed = now - this.lastFrame;
		const { stood } = this;
		this.stood = false;
		this.lastFrame = now;
		if (this.menus.size > 0 && ++this.frames > RUNNING_FRAMES) this.menus.clear();
		this.set(this.menus.size > 0);
		return stood || this.paused || passed < 0 ? 0 : Math.min(passed, STALLED_MS);
	}
	set(paused) {
		if (paused === this.paused) return;
		this.paused = paused;
		this.stood = true;
		this.changed(paused);
	}
};

// src/saves.ts
var Saves = class {
	constructor(world, store2, chosen, send) {
		this.world = world;
		this.chosen = chosen;
		this.send = send;
		this.playthrough = "default";
		/** Days, as of the last frame of the world: when a save is made, the world cannot be asked. */
		this.time = 0;
		this.checkName = true;
		this.loadSeen = false;
		this.changed = store2.keep("saves", () => ({ pending: this.pending, playthrough: this.playthrough }));
		const kept = store2.load("saves");
		if (!isObject(kept)) return;
		if (typeof kept.playthrough === "string") this.playthrough = kept.playthrough;
		if (kept.pending === "game_started" || kept.pending === "save_loaded") this.pending = kept.pending;
	}
	saved() {
		this.send(this.savePoint("save_created"));
	}
	beginLoading() {
		this.loadSeen = false;
	}
	/** The game says so twice for one load. */
	endLoading() {
		if (this.loadSeen) return;
		this.loadSeen = true;
		this.expect("save_loaded");
	}
	newGame() {
		this.expect("game_started");
	}
	/** The player may have another name now. */
	renamed() {
		this.checkName = true;
	}
	/** World call, each frame. Gives true in the first one of another story or another moment of it. */
	update() {
		var _a;
		this.time = this.world.gameTime();
		if (this.pending === void 0 && !this.checkName) return false;
		const before = this.playthrough;
		this.playthrough = this.chosen || slug(this.world.playerName());
		const pending = (_a = this.pending) != null ? _a : before === this.playthrough ? void 0 : "game_started";
		this.checkName = false;
		this.pending = void 0;
		this.changed();
		if (pending === void 0) return false;
		this.send(pending === "save_loaded" ? this.savePoint("save_loaded") : this.started());
		return true;
	}
	/** The daemon knows nothing of this game yet. */
	started() {
		return { type: "game_started", playthrough: this.playthrough, game_time: this.time };
	}
	expect(what) {
		this.pending = what;
		this.changed();
	}
	savePoint(type) {
		const { playthrough, time } = this;
		return { type, playthrough, save_id: `day-${time.toFixed(4)}`, game_time: time };
	}
};
function slug(name) {
	const words = name.trim().toLowerCase().replace(/\s+/g, "-");
	return words === "" ? "default" : words.slice(0, 128);
}

// src/utterances.ts
var READING_MS = 60;
var LEAST_READING_MS = 1200;
function add(turn, said, voiced) {
	var _a, _b;
	if (turn.utterances.some(({ seq }) => seq === said.seq)) return;
	turn.utterances.push({
		seq: said.seq,
		text: said.text,
		ms: (_a = said.duration_ms) != null ? _a : readingTime(said.text),
		visemes: (_b = said.visemes) != null ? _b : [],
		file: "",
		state: voiced ? "text" : "ready",
		unvoiced: false
	});
	turn.utterances.sort((one2, other) => one2.seq - other.seq);
}
function voice(turn, audio, state) {
	var _a, _b, _c;
	const covered = turn.utterances.filter(
		({ seq, state: state2 }) => seq >= audio.seq && seq <= audio.through_seq && state2 === "text"
	);
	const [first, ...rest] = covered;
	if (!first) return;
	first.text = joined(covered);
	first.ms = (_a = audio.duration_ms) != null ? _a : readingTime(first.text);
	first.visemes = (_b = audio.visemes) != null ? _b : [];
	first.file = (_c = audio.path) != null ? _c : "";
	first.state = state;
	for (const each of rest) turn.utterances.splice(turn.utterances.indexOf(each), 1);
}
function unvoice(utterance) {
	if ((utterance == null ? void 0 : utterance.state) !== "text" && (utterance == null ? void 0 : utterance.state) !== "announced") return;
	utterance.state = "ready";
	utterance.unvoiced = true;
	utterance.ms = readingTime(utterance.text);
	utterance.visemes = [];
}
function takeAlong(turn, utterance) {
	const before = turn.utterances.filter(({ seq, state }) => seq < utterance.seq && state === "ready");
	utterance.text = joined([...before, utterance]);
	for (const each of before) turn.utterances.splice(turn.utterances.indexOf(each), 1);
}
function waitsForVoice(turn, { seq }) {
	return turn.utterances.some((each) => each.seq > seq && (each.state === "text" || each.state === "announced"));
}
function sounds({ finished, utterances }) {
	return !finished || utterances.some(({ state, unvoiced }) => !unvoiced && (state === "announced" || state === "playing"));
}
function joined(utterances) {
	return utterances.map(({ text: text2 }) => text2).join(" ");
}
function readingTime(text2) {
	return Math.max(LEAST_READING_MS, READING_MS * text2.length);
}

// src/speech.ts
var KEEP_EVERY_MS = 250;
var OUT_OF_EARSHOT = 2;
var TURNS = 16;
var PAST_TURNS = 32;
var Speech = class {
	constructor(world, store2, settings2, lips, listener) {
		this.world = world;
		this.settings = settings2;
		this.lips = lips;
		this.listener = listener;
		this.audio = "none";
		this.turns = [];
		/** All that were ever begun, of late: the answer to a line that is sent again begins its turn again. */
		this.past = [];
		this.changed = store2.keep("speech", () => ({
			turns: this.turns,
			past: this.past,
			facing: this.facing,
			audio: this.audio
		}));
		this.moved = store2.keep("playing", () => {
			if (!this.playing) return null;
			const { turn, utterance, heard } = this.playing;
			return { turn: turn.id, seq: utterance.seq, heard };
		});
		this.restore(store2.load("speech"), store2.load("playing"));
	}
	/** Whom the daemon voices, or will soon: it must know where they stand. */
	get voices() {
		return this.audio === "daemon" ? this.turns.filter(sounds).map(({ npc }) => npc) : [];
	}
	/** Nothing is said or about to be. */
	get idle() {
		return this.turns.length === 0;
	}
	/** Whether this turn still has something to say. */
	pending(turnId) {
		return this.turns.some((turn) => turn.id === turnId);
	}
	// --- What the daemon sends. World calls.
	receive(message) {
		switch (message.type) {
			case "turn_started":
				this.begin(message.turn_id, message.npc_id);
				break;
			case "decision":
				this.withTurn(message.turn_id, (turn) => turn.mood = message.state.mood);
				break;
			case "sentence":
				this.withTurn(message.turn_id, (turn) => add(turn, message, this.voiced));
				break;
			case "audio":
				this.withTurn(message.turn_id, (turn) => voice(turn, message, this.audio === "daemon" ? "announced" : "ready"));
				break;
			case "audio_dropped":
				this.withTurn(message.turn_id, (turn) => unvoice(turn.utterances.find(({ seq }) => seq === message.seq)));
				break;
			case "playback":
				this.withTurn(message.turn_id, (turn) => this.follow(turn, message.seq, message.status));
				break;
			case "turn_finished":
				this.withTurn(message.turn_id, (turn) => {
					if (message.status === "interrupted") this.stop(turn);
					else this.finish(turn);
				});
				break;
			case "action_request":
				if (message.name === "attack") this.withTurn(message.turn_id, (turn) => turn.fighting = true);
				break;
			case "turn_recorded":
				if (this.audio === "daemon") this.withTurn(message.turn_id, (turn) => this.settle(turn));
				break;
		}
	}
	/** World call, each frame. `passed`: milliseconds of the running world. */
	update(now, passed) {
		if (this.playing) this.advance(this.playing, passed);
		if (!this.playing && this.turns.length > 0) this.next();
		if (this.facing !== void 0 && this.turns.length === 0) this.rest();
		this.lips.settle(now);
	}
	/** World call. This NPC can speak no more. */
	silence(npc, reason) {
		for (const turn of this.turns.filter((each) => each.npc === npc)) this.cut(turn, reason);
	}
	/** World call. This NPC is drawn into a fight, and says no more of what it began to say in peace. */
	alarm(npc) {
		for (const turn of this.turns.filter((each) => each.npc === npc && !each.fighting)) this.cut(turn, "combat");
	}
	/** Everything ends here: a load, or a session that is gone. No world calls; the daemon is told if `report`. */
	abandon(report) {
		if (this.playing && report) this.report(this.playing, "aborted");
		if (this.audio === "daemon" && report) for (const turn of this.turns) this.interrupt(turn, "another moment");
		if (this.playing) this.lips.end();
		this.playing = void 0;
		this.moved();
		this.turns = [];
		this.listener.silence();
		this.changed();
	}
	// --- Turns
	/** Who is spoken to anew says no more of what was before: that turn may long be complete at the daemon. */
	begin(id, npc) {
		var _a, _b;
		if (this.past.includes(id)) return;
		this.past.push(id);
		if (this.past.length > PAST_TURNS) this.past.shift();
		for (const turn of this.turns.filter((each) => each.npc === npc)) this.stop(turn);
		const fighting = (_b = (_a = this.world.conditions(npc)) == null ? void 0 : _a.combat_active) != null ? _b : false;
		this.turns.push({ id, npc, utterances: [], mood: void 0, begun: false, finished: false, fighting });
		if (this.turns.length > TURNS) this.stop(this.turns[0]);
		this.changed();
	}
	withTurn(id, change) {
		const turn = this.turns.find((each) => each.id === id);
		if (!turn) return;
		change(turn);
		this.changed();
	}
	get voiced() {
		return this.audio === "file" || this.audio === "daemon";
	}
	/** World call. The daemon plays, and says how far it is: what it begins is shown at once. */
	follow(turn, seq, status) {
		const utterance = turn.utterances.find((each) => each.seq === seq);
		if (!utterance || utterance.unvoiced || utterance.state === "over") return;
		if (status !== "started") {
			this.over(utterance);
		} else if (utterance.state !== "playing" && this.mayPlay(turn)) {
			this.giveWay();
			takeAlong(turn, utterance);
			this.play(turn, utterance);
		}
	}
	over(utterance) {
		var _a;
		if (((_a = this.playing) == null ? void 0 : _a.utterance) === utterance) this.end(this.playing);
		else utterance.state = "over";
	}
	/** Another is shown. What the daemon plays sounds on, and is over when it says so. */
	giveWay() {
		if (!this.playing) return;
		const { utterance } = this.playing;
		this.end(this.playing);
		if (!utterance.unvoiced) utterance.state = "playing";
	}
	/** Nothing more comes: what got no voice by now is shown. */
	finish(turn) {
		turn.finished = true;
		turn.utterances.filter(({ state }) => state === "text").forEach(unvoice);
	}
	/** What the daemon plays of a turn is over, whatever became of the message that said so. */
	settle(turn) {
		this.finish(turn);
		for (const utterance of turn.utterances) if (!utterance.unvoiced) this.over(utterance);
	}
	/** World call. The daemon, or whoever the player is, has this turn end now. */
	stop(turn) {
		var _a;
		if (((_a = this.playing) == null ? void 0 : _a.turn) === turn) {
			this.report(this.playing, "aborted");
			this.lips.end();
			this.playing = void 0;
			this.moved();
			this.listener.silence();
		}
		this.turns = this.turns.filter((each) => each !== turn);
		this.changed();
	}
	/** World call. The game has this turn end now: the daemon is told. */
	cut(turn, reason) {
		this.stop(turn);
		this.interrupt(turn, reason);
	}
	/** At once, and not at the end of a word, as where the player goes on talking. */
	interrupt({ id }, reason) {
		this.listener.send({ type: "interrupt", turn_id: id, reason, priority: "critical" });
	}
	// --- Sentences
	next() {
		for (const turn of this.turns.slice()) {
			const utterance = turn.utterances.find(({ state }) => state !== "over");
			if (!utterance && turn.finished) {
				this.turns = this.turns.filter((each) => each !== turn);
				this.changed();
				continue;
			}
			if ((utterance == null ? void 0 : utterance.state) === "ready" && !(this.audio === "daemon" && waitsForVoice(turn, utterance))) {
				if (this.mayPlay(turn)) {
					this.play(turn, utterance);
					return;
				}
				continue;
			}
			if (turn.begun) return;
		}
	}
	/** False, and the turn is cut, where the game does not allow it to speak. */
	mayPlay(turn) {
		if (!this.world.here(turn.npc) || this.world.distance(turn.npc) > this.settings.hearing_distance * OUT_OF_EARSHOT) {
			this.cut(turn, "not here any more");
			return false;
		}
		if (!this.world.scripted(turn.npc)) return true;
		this.cut(turn, "a scripted scene");
		this.listener.scripted(turn.npc);
		return false;
	}
	play(turn, utterance) {
		const { npc } = turn;
		turn.begun = true;
		utterance.state = "playing";
		this.playing = { turn, utterance, heard: 0, kept: 0 };
		this.moved();
		if (this.facing !== npc) this.turnTo(npc);
		if (this.settings.expressions && turn.mood) this.world.express(npc, turn.mood);
		this.listener.subtitle(npc, utterance.text);
		if (utterance.file !== "") this.world.playSpeech(npc, baseName(utterance.file));
		this.report(this.playing, "started");
		this.moveLips(npc, utterance);
		this.changed();
	}
	advance(playing, passed) {
		const { turn, utterance } = playing;
		if (passed === 0 || !this.mayPlay(turn)) return;
		playing.heard += passed;
		if (playing.heard >= utterance.ms && (this.audio !== "daemon" || utterance.unvoiced)) {
			playing.heard = utterance.ms;
			this.end(playing);
			return;
		}
		this.lips.move(playing.heard);
		if (playing.heard - playing.kept >= KEEP_EVERY_MS) {
			playing.kept = playing.heard;
			this.moved();
		}
	}
	end(playing) {
		playing.utterance.state = "over";
		this.report(playing, "ended");
		this.lips.end();
		this.playing = void 0;
		this.moved();
		this.changed();
	}
	moveLips(npc, utterance) {
		if (this.settings.lips) this.lips.begin(npc, utterance.visemes);
	}
	report({ turn, utterance, heard }, status) {
		if (this.audio === "daemon" || utterance.unvoiced) return;
		const report = { type: "speech_report", turn_id: turn.id, seq: utterance.seq, status };
		if (status !== "started") report.heard_ms = Math.round(heard);
		this.listener.send(report);
	}
	// --- The body
	turnTo(npc) {
		this.turnAway();
		this.facing = npc;
		if (this.settings.look_at) this.world.lookAtPlayer(npc);
	}
	turnAway() {
		const npc = this.facing;
		if (npc === void 0) return;
		this.facing = void 0;
		if (this.settings.look_at) this.world.lookAway(npc);
		if (this.settings.expressions) this.world.express(npc, void 0);
	}
	rest() {
		this.turnAway();
		this.listener.silence();
		this.changed();
	}
	// --- A reload of the plugin
	/** A sentence goes on where it was: it was shown, and its end is reported as if nothing had been. */
	restore(kept, playing) {
		if (!isObject(kept) || !Array.isArray(kept.turns)) return;
		this.turns = kept.turns;
		if (Array.isArray(kept.past)) this.past = kept.past;
		if (typeof kept.facing === "string") this.facing = kept.facing;
		if (typeof kept.audio === "string") this.audio = kept.audio;
		if (!isObject(playing)) return;
		const { turn: id, seq, heard } = playing;
		const turn = this.turns.find((each) => each.id === id);
		const utterance = turn == null ? void 0 : turn.utterances.find((each) => each.seq === seq);
		if (!turn || !utterance || typeof heard !== "number") return;
		this.playing = { turn, utterance, heard, kept: heard };
	}
	/** World call, in the first frame after a reload, once the mouth is shut. */
	takeUp() {
		if (this.playing) this.moveLips(this.playing.turn.npc, this.playing.utterance);
	}
};
function baseName(path) {
	return path.slice(path.lastIndexOf("/") + 1);
}

// src/subtitles.ts
var LINE = 110;
var Subtitles = class {
	constructor(game2, settings2, page) {
		this.game = game2;
		this.settings = settings2;
		this.page = page;
	}
	show(name, text2) {
		var _a;
		const { subtitles } = this.settings;
		if (subtitles === "none") return;
		if (subtitles !== "notification" && ((_a = this.page) == null ? void 0 : _a.ready)) {
			this.page.subtitle(name, text2);
		} else if (subtitles !== "page") {
			lines(`${name}: ${text2}`).forEach((line) => this.game.notify(line));
		}
	}
	clear() {
		var _a;
		if ((_a = this.page) == null ? void 0 : _a.ready) this.page.clear();
	}
};
function lines(text2) {
	const cut = [];
	let rest = text2.trim();
	while (rest.length > LINE) {
		const space = rest.lastIndexOf(" ", LINE);
		const end = space > LINE / 3 ? space : LINE;
		cut.push(rest.slice(0, end));
		rest = rest.slice(end).trim();
	}
	if (rest !== "") cut.push(rest);
	return cut;
}

// src/transport/ladder.ts
var FAILURES = 3;
var FIRST_REST_MS = 2e4;
var LAST_REST_MS = 6e5;
var Ladder = class {
	/** The best first. */
	constructor(rungs) {
		this.standings = rungs.map((rung) => ({ rung, failures: 0, rest: FIRST_REST_MS, restsUntil: 0 }));
	}
	/** Undefined where nothing is there to try. */
	pick(now) {
		var _a;
		const available = this.standings.filter(({ rung }) => rung.available());
		const rested = available.find((standing) => standing.restsUntil <= now);
		if (rested) return rested.rung;
		for (const standing of available) standing.restsUntil = 0;
		return (_a = available[0]) == null ? void 0 : _a.rung;
	}
	/** A better rung than this that could be tried now. */
	better(kind, now) {
		for (const { rung, restsUntil } of this.standings) {
			if (rung.kind === kind) return void 0;
			if (rung.available() && restsUntil <= now) return rung;
		}
		return void 0;
	}
	/** `atOnce`: let it rest after this one failure, for there is another that works. */
	failed(kind, now, atOnce) {
		const standing = this.standings.find(({ rung }) => rung.kind === kind);
		if (!standing || ++standing.failures < FAILURES && !atOnce) return;
		standing.failures = 0;
		standing.restsUntil = now + standing.rest;
		standing.rest = Math.min(standing.rest * 2, LAST_REST_MS);
	}
	/** It has carried something. */
	worked(kind) {
		const standing = this.standings.find(({ rung }) => rung.kind === kind);
		if (!standing) return;
		standing.failures = 0;
		standing.rest = FIRST_REST_MS;
	}
};

// src/transport/transport.ts
function sayError(message) {
	return [message.message, message.hint].filter((part) => typeof part === "string" && part !== "").join(": ");
}

// src/transport/long_poll.ts
var BATCH = 16;
var BATCH_CHARACTERS = 16e3;
var TRIES = 4;
var RETRY_MS = 400;
var LOST_MS = 2e4;
var LongPollTransport = class {
	constructor(http, opening) {
		this.http = http;
		this.opening = opening;
		this.kind = "long_poll";
		this.session = "";
		this.over = false;
		this.lastTick = 0;
		/** The world does: nothing is worth giving up for. */
		this.standing = false;
		this.waiting = [];
		this.poll = new Request();
		this.post = new Request();
		this.batch = [];
		this.lastN = opening.lastN;
	}
	start() {
		this.post.begin();
		this.http.post("/session", this.opening.identify, (answer) => {
			if (this.over) return;
			this.post.end();
			this.begin(answer);
		});
	}
	send(envelopes) {
		this.waiting.push(...envelopes);
		this.sendWaiting();
	}
	tick(now, waited) {
		if (this.over) return;
		const passed = now - this.lastTick;
		this.lastTick = now;
		this.standing = waited === 0;
		this.poll.rest -= passed;
		this.post.rest -= passed;
		if (this.poll.wait(waited) || this.post.wait(waited)) {
			this.end("a request was never answered");
			return;
		}
		if (this.session === "") return;
		if (this.poll.due) this.ask();
		this.sendWaiting();
	}
	stop() {
		this.over = true;
	}
	begin(answer) {
		const body = parseObject(answer.body);
		const identified = body && answer.status === 200 ? asIdentified(body) : void 0;
		if (!identified) {
			const refusal = answer.status >= 400 && (body == null ? void 0 : body.type) === "error" ? sayError(body) : void 0;
			this.end(`POST /session answered ${answer.status}`, refusal);
			return;
		}
		this.session = identified.session_id;
		if (!identified.resumed) this.lastN = 0;
		this.opening.listener.identified(identified);
		this.ask();
	}
	ask() {
		if (this.over) return;
		this.poll.begin();
		this.http.get(`/poll?session=${encodeURIComponent(this.session)}&after=${this.lastN}`, (answer) => {
			var _a;
			if (this.over) return;
			this.poll.end();
			if (this.failed(this.poll, answer, "GET /poll")) return;
			const messages = (_a = parseObject(answer.body)) == null ? void 0 : _a.messages;
			if (Array.isArray(messages)) messages.forEach((message) => this.receive(message));
			this.ask();
		});
	}
	receive(value) {
		if (this.over || !isObject(value)) return;
		if (typeof value.n === "number") this.lastN = Math.max(this.lastN, value.n);
		const message = asMessage(value);
		if (message) this.opening.listener.received(message);
	}
	sendWaiting() {
		if (this.over || this.session === "" || !this.post.due) return;
		if (this.batch.length === 0) this.batch = this.takeBatch();
		if (this.batch.length === 0) return;
		const messages = this.batch.map((envelope) => envelope.text).join(",");
		this.post.begin();
		this.http.post("/send", `{"session_id":${JSON.stringify(this.session)},"messages":[${messages}]}`, (answer) => {
			if (this.over) return;
			this.post.end();
			if (answer.status === 400 || answer.status === 413) {
				this.opening.listener.refused(this.batch.map((envelope) => envelope.id));
			} else if (this.failed(this.post, answer, "POST /send")) {
				return;
			}
			this.batch = [];
			this.sendWaiting();
		});
	}
	takeBatch() {
		let characters = 0;
		let count = 0;
		for (const envelope of this.waiting) {
			characters += envelope.text.length;
			if (count > 0 && (count === BATCH || characters > BATCH_CHARACTERS)) break;
			count += 1;
		}
		return this.waiting.splice(0, count);
	}
	/** Whether it is to be made again, or the connection is over. */
	failed(request, answer, name) {
		if (answer.status >= 200 && answer.status < 300) {
			request.failures = 0;
			return false;
		}
		request.failures += 1;
		if (answer.status === 404) this.end("the session is gone");
		else if (request.failures >= TRIES && !this.standing) this.end(`${name} answered ${answer.status}`);
		else request.rest = RETRY_MS * Math.min(request.failures, TRIES);
		return true;
	}
	end(reason, said) {
		if (this.over) return;
		this.stop();
		this.opening.listener.closed(reason, said);
	}
};
var Request = class {
	constructor() {
		this.failures = 0;
		/** Milliseconds to let pass before the next one. */
		this.rest = 0;
		this.running = false;
		this.waited = 0;
	}
	get due() {
		return !this.running && this.rest <= 0;
	}
	begin() {
		this.running = true;
		this.waited = 0;
	}
	end() {
		this.running = false;
	}
	/** Wait for the answer; true if the answer will not come any more. */
	wait(ms) {
		if (this.running) this.waited += ms;
		return this.running && this.waited > LOST_MS;
	}
};

// src/transport/page.ts
var GREETING_MS = 3e3;
var HEARTBEAT_MS = 3e4;
var SILENCE_MS = 3e4;
var LONGEST_FRAME_MS = 100;
var FIRST_RETRY_MS = 1e4;
var LAST_RETRY_MS = 6e4;
var Page = class {
	constructor(browser, url, seed, insist, listener) {
		this.browser = browser;
		this.url = url;
		this.insist = insist;
		this.listener = listener;
		/** It has said that it is there. */
		this.ready = false;
		/** Milliseconds of frames, so that a frame of half a minute while the game loads is no silence of the page. */
		this.time = 0;
		this.lastTick = 0;
		this.next = 0;
		this.retry = FIRST_RETRY_MS;
		this.greeted = false;
		/** Another plugin has taken the page: ours is not loaded again before it is needed. */
		this.yielded = false;
		this.asking = false;
		/** The page's own WebSocket; the address is the page's own and not asked for. */
		this.openSocket = (_url, _protocol, listener) => {
			const connection = ++this.connection;
			this.socket = listener;
			this.call("open", connection);
			return {
				send: (text2) => this.call("send", connection, text2),
				close: () => {
					if (this.connection !== connection) return;
					this.socket = void 0;
					this.call("close", connection);
				}
			};
		};
		this.connection = seed;
		browser.listen((values) => this.receive(values));
	}
	/**
	 * Load the page, and again while it does not appear: the daemon may have been started after the game. One that is
	 * there is asked for a sign of life now and then, but for the time in which the world stands still.
	 */
	tick(now, standing) {
		if (!standing || !this.ready) this.time += Math.max(0, Math.min(now - this.lastTick, LONGEST_FRAME_MS));
		this.lastTick = now;
		if (this.time < this.next || this.yielded) return;
		if (this.ready && this.greeted) {
			this.lose();
		} else if (!this.greeted) {
			this.greeted = true;
			this.next = this.time + (this.ready ? SILENCE_MS : GREETING_MS);
			this.call("greet");
		} else {
			this.browser.load(this.url);
			this.next = this.time + this.retry;
			this.retry = Math.min(this.retry * 2, LAST_RETRY_MS);
		}
	}
	/** The player needs it: load it now, whoever has it. */
	need() {
		if (!this.yielded) return;
		this.yielded = false;
		this.greeted = true;
		this.next = 0;
	}
	/** Open the text box. */
	ask(name) {
		this.asking = true;
		this.browser.show();
		this.browser.focus(true);
		this.call("ask", name);
	}
	/** Close the text box. */
	dismiss() {
		if (!this.asking) return;
		this.call("dismiss");
		this.closed();
	}
	subtitle(name, text2) {
		this.call("subtitle", name, text2);
	}
	clear() {
		this.call("clear");
	}
	notice(level, text2) {
		this.call("notice", level, text2);
	}
	call(name, ...values) {
		const list = values.map((value) => JSON.stringify(value).replace(/\u2028/g, "\\u2028").replace(/\u2029/g, "\\u2029"));
		this.browser.run(`window.rfsn && rfsn.${name}(${list.join(",")})`);
	}
	receive(values) {
		var _a;
		const [ours, kind, first, second] = values;
		if (ours !== "rfsn") return;
		this.hear();
		if (kind === "ready") {
			this.appear(first);
		} else if (kind === "said" && typeof first === "string") {
			this.closed();
			this.listener.said(first);
		} else if (kind === "cancelled") {
			this.closed();
			this.listener.cancelled();
		} else if (first === this.connection) {
			if (kind === "message" && typeof second === "string") (_a = this.socket) == null ? void 0 : _a.message(second);
			if (kind === "closed") this.closeSocket(`closed with ${String(second)}`);
		}
	}
	/** The text box is; keys go to the game again. */
	closed() {
		this.asking = false;
		this.browser.focus(false);
	}
	appear(instance) {
		if (this.ready && instance !== this.instance) {
			this.closeSocket("the page was loaded anew");
			if (this.asking) this.closed();
		}
		this.instance = instance;
		if (!this.ready) this.browser.show();
		this.ready = true;
		this.hear();
	}
	/** It lives. */
	hear() {
		if (!this.ready) return;
		this.greeted = false;
		this.next = this.time + HEARTBEAT_MS;
	}
	lose() {
		this.ready = false;
		this.greeted = false;
		this.yielded = !this.insist;
		this.retry = FIRST_RETRY_MS;
		if (this.asking) this.closed();
		this.closeSocket("the page is gone");
	}
	closeSocket(reason) {
		const socket = this.socket;
		this.socket = void 0;
		socket == null ? void 0 : socket.closed(reason);
	}
};

// src/transport/socket.ts
var HANDSHAKE_MS = 8e3;
var SILENCE_MS2 = 2e4;
var GIVE_UP_MS = 35e3;
var SocketTransport = class {
	constructor(kind, open, url, opening) {
		this.kind = kind;
		this.open = open;
		this.url = url;
		this.opening = opening;
		this.identified = false;
		this.awaitingApproval = false;
		this.over = false;
		this.silent = 0;
		this.pinged = false;
	}
	start() {
		try {
			this.socket = this.open(this.url, SUBPROTOCOL, {
				message: (text2) => this.receive(text2),
				closed: (reason) => this.end(reason)
			});
		} catch (error) {
			this.end(String(error));
		}
	}
	send(envelopes) {
		var _a;
		try {
			for (const envelope of envelopes) (_a = this.socket) == null ? void 0 : _a.send(envelope.text);
		} catch (error) {
			this.end(String(error));
		}
	}
	tick(_now, waited) {
		if (this.over || this.awaitingApproval) return;
		this.silent += waited;
		if (!this.identified) {
			if (this.silent > HANDSHAKE_MS) this.end("no answer");
		} else if (this.silent > GIVE_UP_MS) {
			this.end("no sign of life");
		} else if (this.silent > SILENCE_MS2 && !this.pinged) {
			this.pinged = true;
			this.send([{ id: void 0, text: '{"type":"ping"}' }]);
		}
	}
	stop() {
		var _a;
		this.over = true;
		(_a = this.socket) == null ? void 0 : _a.close();
	}
	receive(text2) {
		if (this.over) return;
		this.silent = 0;
		this.pinged = false;
		const message = parseObject(text2);
		if (!message) return;
		if (this.identified) {
			const known = asMessage(message);
			if (known) this.opening.listener.received(known);
			return;
		}
		if (message.type === "hello") {
			this.send([{ id: void 0, text: this.opening.identify }]);
		} else if (message.type === "error") {
			this.refusal = sayError(message);
		} else if (message.type === "approval_pending") {
			this.awaitingApproval = true;
			const text3 = `Approve this game on the daemon's page. Its code is ${String(message.code)}.`;
			this.opening.listener.received({ type: "notice", level: "warning", code: "approval_pending", message: text3 });
		} else {
			const identified = asIdentified(message);
			if (!identified) return;
			this.identified = true;
			this.awaitingApproval = false;
			this.opening.listener.identified(identified);
		}
	}
	end(reason) {
		if (this.over) return;
		this.stop();
		this.opening.listener.closed(reason, this.refusal);
	}
};

// src/adapter.ts
var POSITIONS_MS = 250;
var LINE_MS = 3e4;
var NOTICE_MS = 6e4;
var NOTICES = 64;
var Adapter = class {
	constructor(game2, store2, settings2, version) {
		this.game = game2;
		this.store = store2;
		this.settings = settings2;
		this.version = version;
		/** World calls that something outside of `update` asked for. */
		this.errands = [];
		this.notices = /* @__PURE__ */ new Map();
		this.begun = false;
		this.nextPositions = 0;
		this.missing = false;
		const { world } = game2;
		const { host, port } = settings2;
		const post = (message) => this.connection.post(message);
		const seed = Math.floor(Math.random() * 1e6) * 1e3;
		const insist = settings2.transport === "page";
		if (game2.browser && (settings2.page || insist)) {
			this.page = new Page(game2.browser, `http://${host}:${port}/game`, seed, insist, this.box());
		}
		this.connection = new Connection(game2, store2, new Ladder(this.rungs()), this);
		this.pause = new Pause((paused) => post({ type: "game_paused", paused }));
		this.saves = new Saves(world, store2, settings2.playthrough, post);
		this.npcs = new Npcs(world, store2, (message, droppable) => this.connection.post(message, { droppable }));
		this.subtitles = new Subtitles(game2, settings2, this.page);
		this.lips = new Lips(world, store2);
		this.speech = new Speech(world, store2, settings2, this.lips, {
			send: post,
			subtitle: (npc, text2) => this.subtitles.show(this.npcs.name(npc), text2),
			silence: () => this.subtitles.clear(),
			scripted: (npc) => this.npcs.watch(npc)
		});
		this.actions = new Actions(world, store2, settings2.actions, post, (turn) => this.speech.pending(turn));
		this.conversation = new Conversation(world, store2, settings2, this.npcs, {
			addressing: (npc) => this.actions.addressing(npc),
			send: (line) => this.say(line),
			notify: (text2) => this.game.notify(text2)
		});
		this.events = new Events(
			world,
			this.npcs,
			settings2.hearing_distance,
			(event) => this.connection.post(event, { droppable: true })
		);
	}
	// --- Each frame
	/** Also in menus, and before any game is loaded; there is no world to call here. */
	tick(now) {
		var _a;
		if (this.begun) {
			this.pause.tick(now);
			(_a = this.page) == null ? void 0 : _a.tick(now, this.pause.paused);
			this.connection.tick(now, this.pause.paused, this.speech.idle);
		}
		this.store.flush();
	}
	update(now) {
		const passed = this.pause.frame(now);
		if (this.saves.update()) this.otherWorld();
		if (!this.begun) this.begin(now);
		for (let errand = this.errands.shift(); errand; errand = this.errands.shift()) errand();
		for (let message = this.connection.take(); message; message = this.connection.take()) this.receive(message, now);
		this.speech.update(now, passed);
		this.actions.update(now);
		this.game.world.tendDeeds(now);
		this.npcs.tend(now);
		this.events.update(now);
		this.sendPositions(now);
		this.store.flush();
	}
	/** The first frame of the world after the start or a reload of the plugin. */
	begin(now) {
		this.begun = true;
		this.lips.settle(now);
		this.speech.takeUp();
	}
	/** Another story, or another moment of it: bodies and whereabouts are not what they were. */
	otherWorld() {
		this.npcs.witnesses().forEach((npc) => this.npcs.introduce(npc));
	}
	sendPositions(now) {
		const { voices } = this.speech;
		if (voices.length === 0 || this.pause.paused || now < this.nextPositions) return;
		this.nextPositions = now + POSITIONS_MS;
		const { world } = this.game;
		const npcs = {};
		for (const npc of voices) {
			const position = world.position(npc);
			if (position) npcs[npc] = position;
		}
		if (Object.keys(npcs).length > 0) this.connection.postNow({ type: "positions", listener: world.listener(), npcs });
	}
	// --- From the daemon
	/** World calls are allowed here. */
	receive(message, now) {
		switch (message.type) {
			case "action_request":
				this.speech.receive(message);
				this.actions.request(message, now);
				break;
			case "notice":
				this.notice(message.level, message.hint ? `${message.message}: ${message.hint}` : message.message, message.code);
				break;
			case "error":
				this.game.log(`the daemon says: ${message.code}: ${message.message}`);
				break;
			case "turn_finished":
				if (message.error) {
					const { message: text2, hint } = message.error;
					this.notice("error", hint ? `${text2}: ${hint}` : text2, text2);
				}
				this.speech.receive(message);
				break;
			default:
				this.speech.receive(message);
		}
	}
	notice(level, text2, key) {
		var _a;
		this.game.log(`${level}: ${text2}`);
		const now = this.game.now();
		const before = this.notices.get(key);
		if (before !== void 0 && now - before < NOTICE_MS) return;
		if (this.notices.size > NOTICES) this.notices.clear();
		this.notices.set(key, now);
		if ((_a = this.page) == null ? void 0 : _a.ready) this.page.notice(level, text2);
		else if (level !== "info") this.game.notify(`RFSN Bridge: ${text2}`);
	}
	// --- From the game; world calls are allowed in these
	pointedAt(npc) {
		if (npc !== void 0) this.npcs.introduce(npc);
	}
	combat(npc, target, active) {
		if (active) this.speech.alarm(npc);
		if (this.settings.events) this.events.combat(npc, target, active, this.game.now());
		else this.npcs.watch(npc);
	}
	hit(target, aggressor, blocked) {
		if (this.settings.events && aggressor !== void 0) this.events.hit(target, aggressor, blocked, this.game.now());
	}
	death(npc, killer) {
		this.speech.silence(npc, "death");
		if (this.settings.events) this.events.death(npc, killer, this.game.now());
		this.npcs.forget([npc]);
	}
	moved(place, from) {
		if (this.settings.events) this.events.moved(place, from, this.game.now());
	}
	quest(change, name) {
		if (this.settings.events) this.events.quest(change, name, this.game.now());
	}
	// --- From the game; no world calls in these
	menu(name, open) {
		this.pause.menu(name, open);
		if (!open) this.saves.renamed();
	}
	saved() {
		this.saves.saved();
	}
	loading() {
		this.saves.beginLoading();
		this.leaveWorld();
	}
	loaded() {
		this.saves.endLoading();
	}
	newGame() {
		this.leaveWorld();
		this.saves.newGame();
	}
	talkKey() {
		var _a, _b;
		if (this.pause.paused) return;
		if (!((_a = this.page) == null ? void 0 : _a.ready)) {
			this.game.notify("RFSN Bridge: the text box is not there yet. Move the mouse, and see that the daemon runs.");
			(_b = this.page) == null ? void 0 : _b.need();
			return;
		}
		this.errands.push(() => {
			var _a2;
			this.addressed = this.conversation.address();
			if (this.addressed !== void 0) (_a2 = this.page) == null ? void 0 : _a2.ask(this.npcs.name(this.addressed));
		});
	}
	said(text2) {
		this.errands.push(() => this.conversation.say(text2));
	}
	leaveWorld() {
		var _a;
		this.speech.abandon(true);
		this.actions.abandon();
		this.errands.length = 0;
		(_a = this.page) == null ? void 0 : _a.dismiss();
	}
	box() {
		return {
			said: (text2) => {
				const addressed = this.addressed;
				this.errands.push(() => this.conversation.say(text2, addressed));
			},
			cancelled: () => {
				this.addressed = void 0;
			}
		};
	}
	say(line) {
		if (!this.connection.live) this.game.notify("RFSN Bridge: not connected. This is said when the daemon is there.");
		this.connection.post(line);
	}
	// --- The connection asks, and tells
	identity() {
		const { audio, lips, token } = this.settings;
		const identity = {
			client: { name: this.game.name, version: this.version, game: this.game.name },
			capabilities: { audio, visemes: lips, reports: true },
			playthrough: this.saves.playthrough
		};
		return token === "" ? identity : __spreadProps(__spreadValues({}, identity), { token });
	}
	introduction() {
		this.speech.abandon(false);
		this.actions.abandon();
		const world = [...this.npcs.introductions(), ...this.actions.introduction(), this.saves.started()];
		return this.pause.paused ? [...world, { type: "game_paused", paused: true }] : world;
	}
	outlives(message, age) {
		switch (message.type) {
			case "player_line":
				return age < LINE_MS;
			case "game_event":
			case "npc_gone":
			case "save_created":
			case "save_loaded":
				return true;
			default:
				return false;
		}
	}
	gaveUp(entries) {
		for (const { message } of entries) {
			if (message.type === "player_line") this.game.notify(`RFSN Bridge: not said in time: ${message.text.slice(0, 60)}`);
		}
	}
	connected(identified) {
		this.speech.audio = identified.audio;
		if (this.missing) this.game.notify("RFSN Bridge: the daemon is there.");
		this.missing = false;
		this.game.log(`${identified.resumed ? "resumed" : "began"} session ${identified.session_id}, audio ${identified.audio}`);
	}
	unreachable(reason, said) {
		if (said !== void 0) this.notice("error", said, said);
		if (this.missing || said !== void 0) return;
		this.missing = true;
		const { host, port } = this.settings;
		this.game.notify("RFSN Bridge: the daemon is not there. Start it with: rfsn-bridge run");
		this.game.log(`no daemon at ${host}:${port} (${reason}); it is tried again all the time, and not mentioned`);
	}
	refused(message, code, text2) {
		this.game.log(`the daemon refused ${message.type}: ${code}: ${text2}`);
		if (message.type === "player_line") this.game.notify(`RFSN Bridge: ${text2}`);
	}
	rungs() {
		const { game: game2, page, settings: settings2 } = this;
		const url = `ws://${settings2.host}:${settings2.port}/ws`;
		const { openSocket } = game2;
		const http = game2.http(`http://${settings2.host}:${settings2.http_port}`);
		const rungs = [];
		if (openSocket) {
			const open = (opening) => new SocketTransport("web_socket", openSocket, url, opening);
			rungs.push({ kind: "web_socket", available: () => true, open });
		}
		if (page) {
			const open = (opening) => new SocketTransport("page", page.openSocket, url, opening);
			rungs.push({ kind: "page", available: () => page.ready, open });
		}
		if (http) {
			const open = (opening) => new LongPollTransport(http, opening);
			rungs.push({ kind: "long_poll", available: () => true, open });
		}
		return rungs.filter(({ kind }) => settings2.transport === "auto" || settings2.transport === kind);
	}
};

// src/settings.ts
var ACTION_NAMES = ["follow", "wait", "attack", "flee", "stop_combat", "trade", "give_item", "go_to"];
var DEFAULTS = {
	host: "127.0.0.1",
	port: 8765,
	http_port: 8001,
	token: "",
	transport: "auto",
	page: true,
	audio: "daemon",
	topics: {},
	subtitles: "auto",
	lips: true,
	look_at: true,
	expressions: true,
	talk_key: 21,
	talk_distance: 600,
	hearing_distance: 1200,
	actions: ACTION_NAMES,
	events: true,
	playthrough: ""
};
var RULES = {
	host: text(1, 255),
	port: whole(1, 65535),
	http_port: whole(1, 65535),
	token: text(0, 256),
	transport: one("auto", "web_socket", "page", "long_poll"),
	page: flag,
	audio: one("daemon", "file", "none"),
	topics: (value) => isObject(value) && Object.keys(value).every((file) => typeof value[file] === "string") ? void 0 : "file names with a topic each",
	subtitles: one("auto", "page", "notification", "none"),
	lips: flag,
	look_at: flag,
	expressions: flag,
	talk_key: whole(0, 1023),
	talk_distance: whole(50, 2e4),
	hearing_distance: whole(50, 2e4),
	actions: (value) => Array.isArray(value) && value.every((name) => ACTION_NAMES.includes(name)) ? void 0 : `a list of ${ACTION_NAMES.join(", ")}`,
	events: flag,
	playthrough: text(0, 128)
};
function readSettings(given, complain) {
	if (given === void 0) return DEFAULTS;
	if (!isObject(given)) {
		complain("The settings are no JSON object; all defaults are used.");
		return DEFAULTS;
	}
	const settings2 = __spreadValues({}, DEFAULTS);
	for (const key of Object.keys(given)) {
		if (!Object.prototype.hasOwnProperty.call(RULES, key)) {
			complain(`There is no setting "${key}"; it is ignored.`);
			continue;
		}
		const value = given[key];
		const wanted = RULES[key](value);
		if (wanted === void 0) {
			settings2[key] = value;
		} else {
			const used = JSON.stringify(DEFAULTS[key]);
			complain(`"${key}" must be ${wanted}, not ${JSON.stringify(value)}; ${used} is used.`);
		}
	}
	return settings2;
}
function flag(value) {
	return typeof value === "boolean" ? void 0 : "true or false";
}
function whole(least, most) {
	return (value) => typeof value === "number" && Math.floor(value) === value && value >= least && value <= most ? void 0 : `a whole number from ${least} to ${most}`;
}
function text(least, most) {
	return (value) => typeof value === "string" && value.length >= least && value.length <= most ? void 0 : `a text of ${least} to ${most} characters`;
}
function one(...choices) {
	return (value) => choices.some((choice) => choice === value) ? void 0 : `one of ${choices.join(", ")}`;
}

// src/skyrim/platform.ts
function findPlatform() {
	const load = typeof require === "function" ? require : void 0;
	try {
		const found = load == null ? void 0 : load("skyrimPlatform");
		if (found) return found;
	} catch (e) {
	}
	if (typeof skyrimPlatform === "undefined") throw new Error("RFSN Bridge runs inside of Skyrim Platform only");
	return skyrimPlatform;
}

// src/skyrim/ids.ts
var LIGHT = 254;
var SAVE = 255;
var LIGHT_PLUGINS = 4096;
var Ids = class {
	constructor(order) {
		this.order = order;
		this.forms = /* @__PURE__ */ new Map();
		this.ids = /* @__PURE__ */ new Map();
	}
	/** World call, for a FormID that is seen for the first time. */
	id(formId) {
		const form = formId >>> 0;
		const known = this.ids.get(form);
		if (known !== void 0) return known;
		const id = this.make(form);
		this.ids.set(form, id);
		this.forms.set(id, form);
		return id;
	}
	/** World call, for an id that is seen for the first time. Undefined where its plugin is not loaded. */
	form(id) {
		const known = this.forms.get(id);
		if (known !== void 0) return known;
		const bar = id.indexOf("|");
		const local = parseInt(id.slice(0, bar), 16);
		if (bar < 1 || !(local >= 0)) return void 0;
		const base = this.base(id.slice(bar + 1));
		if (base === void 0) return void 0;
		const form = base + local >>> 0;
		this.forms.set(id, form);
		return form;
	}
	make(form) {
		const index = form >>> 24;
		if (index === SAVE) return `${hex(form)}|save`;
		if (index === LIGHT) return `${hex(form & 4095)}|${plain(this.order.light(form >>> 12 & 4095))}`;
		return `${hex(form & 16777215)}|${plain(this.order.full(index))}`;
	}
	base(plugin) {
		if (plugin === "save") return 0;
		if (!this.plugins) this.plugins = this.readOrder();
		return this.plugins.get(plugin);
	}
	readOrder() {
		const plugins = /* @__PURE__ */ new Map();
		for (let index = 0; index < LIGHT; index++) {
			const name = this.order.full(index);
			if (name !== "") plugins.set(plain(name), index * 16777216);
		}
		for (let index = 0; index < LIGHT_PLUGINS; index++) {
			const name = this.order.light(index);
			if (name === "") break;
			plugins.set(plain(name), LIGHT * 16777216 + index * 4096);
		}
		return plugins;
	}
};
function hex(value) {
	return value.toString(16).padStart(8, "0");
}
function plain(file) {
	return file.replace(/[^\x20-\x7e]+/g, (other) => encodeURIComponent(other)).toLowerCase();
}

// src/skyrim/bodies.ts
var ACTOR_TYPE_NPC = 79764;
var PLAYER_FORM = 20;
var Bodies = class {
	constructor(sp) {
		this.sp = sp;
		this.lastActor = null;
		this.player = null;
		this.ids = new Ids({
			full: (index) => sp.Game.getModName(index) || "",
			light: (index) => sp.Game.getLightModName(index) || ""
		});
	}
	/** Another frame or event: what was found before is stale. */
	renew() {
		this.lastId = void 0;
		this.lastActor = null;
		this.player = null;
	}
	find(id) {
		if (id === PLAYER) return this.getPlayer();
		if (id === this.lastId) return this.lastActor;
		const form = this.ids.form(id);
		this.lastActor = form === void 0 ? null : this.sp.Actor.from(this.sp.Game.getFormEx(form));
		this.lastId = id;
		return this.lastActor;
	}
	/** Anything that an id of ours names. */
	form(id) {
		const form = this.ids.form(id.toLowerCase());
		return form === void 0 ? null : this.sp.Game.getFormEx(form);
	}
	getPlayer() {
		var _a;
		const player = (_a = this.player) != null ? _a : this.sp.Game.getPlayer();
		if (!player) throw new Error("there is no player yet");
		this.player = player;
		return player;
	}
	id(form) {
		const formId = form.getFormID();
		return formId === PLAYER_FORM ? PLAYER : this.ids.id(formId);
	}
	/** Of anything that may be an actor; undefined if it is none. */
	actorId(form) {
		const actor = form ? this.sp.Actor.from(form) : null;
		return actor ? this.id(actor) : void 0;
	}
	/** Alive, conscious, and bodily there. */
	here(actor) {
		return actor !== null && actor.is3DLoaded() && !actor.isDisabled() && !actor.isDead() && !actor.isUnconscious();
	}
	/** The game's own script has them act or speak. */
	scripted(actor) {
		return actor.getCurrentScene() !== null || actor.isInDialogueWithPlayer();
	}
	/** Somebody to talk with. */
	person(actor) {
		const keyword = this.sp.Game.getFormEx(ACTOR_TYPE_NPC);
		const people = keyword ? this.sp.Keyword.from(keyword) : null;
		return (people === null || actor.hasKeyword(people)) && actor.getVoiceType() !== null && this.name(actor) !== "";
	}
	name(actor) {
		return (actor.getDisplayName() || actor.getName() || "").slice(0, 128);
	}
};

// src/skyrim/deeds.ts
var JOB_MERCHANT_FACTION = 333206;
var GIVEABLE = /* @__PURE__ */ new Set([27, 30, 31, 32, 41, 42, 46, 52]);
var MOST_ITEMS = 10;
var INVENTORY = 200;
var WALK = 0.5;
var RUN = 1;
var FAR = 6e3;
var ARRIVED = 200;
var BEHIND = -150;
var CATCH_UP = 600;
var FOLLOW = 150;
var TEND_MS2 = 1e3;
var FEAR_MS = 2e4;
var ON_THE_WAY_MS = 5e3;
var Refusal = class extends Error {
};
var Deeds = class {
	constructor(sp, bodies, store2) {
		this.sp = sp;
		this.bodies = bodies;
		/** Who walks with the player by our doing; false while they have something better to do. */
		this.followers = /* @__PURE__ */ new Map();
		this.fears = [];
		this.ways = [];
		this.now = 0;
		this.nextTend = 0;
		this.changed = store2.keep("deeds", () => ({ followers: Array.from(this.followers.keys()), fears: this.fears }));
		const kept = store2.load("deeds");
		if (!isObject(kept)) return;
		if (Array.isArray(kept.followers)) for (const npc of kept.followers) this.followers.set(npc, true);
		if (Array.isArray(kept.fears)) this.fears = kept.fears;
	}
	perform(deed, done) {
		try {
			const actor = this.bodies.find(deed.npc);
			if (!this.bodies.here(actor)) throw new Refusal("They are not here.");
			if (this.bodies.scripted(actor)) throw new Refusal("They are in the middle of something.");
			if (deed.name === "go_to") this.goTo(actor, deed, done);
			else done(__spreadValues({ status: "applied" }, this.act(actor, deed)));
		} catch (error) {
			if (error instanceof Refusal) done({ status: "rejected", message: error.message });
			else done({ status: "failed", message: String(error).slice(0, 200) });
		}
	}
	belongings(actor) {
		const names = /* @__PURE__ */ new Set();
		for (const item of this.items(actor)) names.add(item.getName());
		return Array.from(names).sort();
	}
	tend(now) {
		this.now = now;
		if (now < this.nextTend) return;
		this.nextTend = now + TEND_MS2;
		for (const [npc, walking] of Array.from(this.followers)) this.tendFollower(npc, walking);
		for (const fear of this.fears.filter(({ until }) => until <= now)) this.calm(fear);
		const late = this.ways.filter(({ since }) => now - since >= ON_THE_WAY_MS);
		this.ways = this.ways.filter((way) => !late.includes(way));
		for (const { done } of late) done({ status: "applied", message: "They are on their way." });
	}
	/** Another moment of the story, in which none of this happened. No world calls. */
	forget() {
		this.followers.clear();
		this.fears = [];
		this.ways = [];
		this.changed();
	}
	act(actor, { npc, name, arguments: given, target }) {
		switch (name) {
			case "follow":
				return this.follow(actor, npc);
			case "wait":
				return this.wait(actor, npc);
			case "attack":
				return this.attack(actor, npc, target);
			case "flee":
				return this.flee(actor, npc);
			case "stop_combat":
				demand(actor.isInCombat(), "They are not fighting.");
				actor.stopCombat();
				return {};
			case "trade":
				return this.trade(actor);
			case "give_item":
				return this.give(actor, given);
			default:
				throw new Refusal(`Nobody can ${name}.`);
		}
	}
	// --- Walking
	follow(actor, npc) {
		demand(!actor.isInCombat(), "They are fighting.");
		demand(!actor.isChild(), "Children stay where they are.");
		demand(!actor.isHostileToActor(this.bodies.getPlayer()), "They are an enemy of the player.");
		if (actor.isPlayerTeammate()) {
			actor.setActorValue("WaitingForPlayer", 0);
			actor.evaluatePackage();
			return {};
		}
		this.walkWithPlayer(actor);
		this.followers.set(npc, true);
		this.changed();
		return {};
	}
	wait(actor, npc) {
		if (actor.isPlayerTeammate()) {
			actor.setActorValue("WaitingForPlayer", 1);
			actor.evaluatePackage();
			return {};
		}
		demand(this.followers.has(npc), "They do not walk with the player.");
		this.unfollow(npc, actor);
		return { message: "They stay, and go about their own business." };
	}
	goTo(actor, { npc, arguments: given, target }, done) {
		const goal = this.target(npc, target);
		demand(!actor.isInCombat(), "They are fighting.");
		const away = actor.getDistance(goal);
		demand(away <= FAR, "That is too far away.");
		if (away <= ARRIVED) {
			done({ status: "applied", message: "They are there already." });
			return;
		}
		const way = { since: this.now, done };
		const settle = (outcome) => {
			if (!this.ways.includes(way)) return;
			this.ways = this.ways.filter((each) => each !== way);
			done(outcome);
		};
		this.ways.push(way);
		if (this.followers.has(npc)) this.unfollow(npc, actor);
		actor.pathToReference(goal, given.pace === "run" ? RUN : WALK).then(
			(arrived) => settle(arrived ? { status: "applied" } : { status: "failed", message: "They found no way there." }),
			(error) => settle({ status: "failed", message: String(error).slice(0, 200) })
		);
	}
	walkWithPlayer(actor) {
		actor.keepOffsetFromActor(this.bodies.getPlayer(), 0, BEHIND, 0, 0, 0, 0, CATCH_UP, FOLLOW);
	}
	unfollow(npc, actor) {
		this.followers.delete(npc);
		this.changed();
		actor.clearKeepOffsetFromActor();
		actor.evaluatePackage();
	}
	/** The offset would drag them out of fights and scenes: it is taken off meanwhile. */
	tendFollower(npc, walking) {
		const actor = this.bodies.find(npc);
		if (!this.bodies.here(actor)) {
			this.followers.delete(npc);
			this.changed();
			return;
		}
		const free = !actor.isInCombat() && !this.bodies.scripted(actor);
		if (free === walking) return;
		this.followers.set(npc, free);
		if (free) this.walkWithPlayer(actor);
		else actor.clearKeepOffsetFromActor();
	}
	// --- Fighting
	attack(actor, npc, target) {
		const victim = this.target(npc, target);
		demand(!actor.isChild(), "Children do not fight.");
		demand(!victim.isChild(), "Nobody attacks a child.");
		demand(!(actor.isPlayerTeammate() && target === PLAYER), "They would not raise a hand against a companion.");
		if (this.followers.has(npc) && target === PLAYER) this.unfollow(npc, actor);
		actor.startCombat(victim);
		return {};
	}
	flee(actor, npc) {
		demand(actor.isInCombat(), "There is nothing to flee from.");
		if (!this.fears.some((fear) => fear.npc === npc)) {
			this.fears.push({ npc, confidence: actor.getActorValue("Confidence"), until: this.now + FEAR_MS });
			this.changed();
		}
		actor.setActorValue("Confidence", 0);
		actor.evaluatePackage();
		return {};
	}
	calm(fear) {
		var _a;
		this.fears = this.fears.filter((each) => each !== fear);
		this.changed();
		(_a = this.bodies.find(fear.npc)) == null ? void 0 : _a.setActorValue("Confidence", fear.confidence);
	}
	// --- Things
	trade(actor) {
		const merchants = this.sp.Faction.from(this.sp.Game.getFormEx(JOB_MERCHANT_FACTION));
		demand(merchants !== null && actor.isInFaction(merchants), "They have nothing for sale.");
		demand(!actor.isInCombat(), "They are fighting.");
		demand(!actor.isHostileToActor(this.bodies.getPlayer()), "They are an enemy of the player.");
		actor.showBarterMenu();
		return {};
	}
	give(actor, given) {
		const wanted = String(given.item).toLowerCase();
		const count = typeof given.count === "number" ? given.count : 1;
		demand(count >= 1 && count <= MOST_ITEMS && Math.floor(count) === count, `The count must be 1 to ${MOST_ITEMS}.`);
		demand(!actor.isInCombat(), "They are fighting.");
		const item = this.items(actor).find((each) => each.getName().toLowerCase() === wanted);
		if (!item) throw new Refusal("They do not have that.");
		demand(actor.getItemCount(item) >= count, "They do not have that many.");
		actor.removeItem(item, count, true, this.bodies.getPlayer());
		return {};
	}
	items(actor) {
		const items = [];
		const count = Math.min(actor.getNumItems(), INVENTORY);
		for (let index = 0; index < count; index++) {
			const item = actor.getNthForm(index);
			if (item && GIVEABLE.has(item.getType()) && item.getName() !== "") items.push(item);
		}
		return items;
	}
	target(npc, target) {
		const actor = target === void 0 ? null : this.bodies.find(target);
		if (target === npc) throw new Refusal("Nobody can do that to themselves.");
		if (!this.bodies.here(actor)) throw new Refusal("The target is not here.");
		return actor;
	}
};
function demand(legal, otherwise) {
	if (!legal) throw new Refusal(otherwise);
}

// src/skyrim/world.ts
var CHARACTERS = 62;
var CROWD = 256;
var EXPRESSION_STRENGTH = 60;
var EXPRESSIONS = {
	angry: 0,
	fearful: 1,
	happy: 2,
	friendly: 2,
	sad: 3,
	surprised: 4,
	neutral: 7
};
var SkyrimWorld = class {
	constructor(sp, bodies, deeds, topics) {
		this.sp = sp;
		this.bodies = bodies;
		this.deeds = deeds;
		this.topics = topics;
	}
	gameTime() {
		return this.sp.Utility.getCurrentGameTime();
	}
	playerName() {
		return this.bodies.name(this.bodies.getPlayer());
	}
	place() {
		var _a, _b;
		const player = this.bodies.getPlayer();
		return ((_a = player.getCurrentLocation()) == null ? void 0 : _a.getName()) || ((_b = player.getParentCell()) == null ? void 0 : _b.getName()) || "";
	}
	listener() {
		const player = this.bodies.getPlayer();
		const angle = player.getAngleZ() * Math.PI / 180;
		return { position: whereIs(player), forward: [round(Math.sin(angle), 1e3), round(Math.cos(angle), 1e3), 0] };
	}
	addressee() {
		const reference = this.sp.Game.getCurrentCrosshairRef();
		const actor = reference ? this.sp.Actor.from(reference) : null;
		return this.bodies.here(actor) && this.bodies.person(actor) ? this.bodies.id(actor) : void 0;
	}
	near(distance) {
		var _a;
		const player = this.bodies.getPlayer();
		const cell = player.getParentCell();
		const count = Math.min((_a = cell == null ? void 0 : cell.getNumRefs(CHARACTERS)) != null ? _a : 0, CROWD);
		const found = [];
		for (let index = 0; index < count; index++) {
			const reference = cell == null ? void 0 : cell.getNthRef(index, CHARACTERS);
			const actor = reference ? this.sp.Actor.from(reference) : null;
			if (!actor) continue;
			const away = player.getDistance(actor);
			if (away > distance || !this.bodies.here(actor)) continue;
			const id = this.bodies.id(actor);
			if (id !== "player" && this.bodies.person(actor)) found.push({ id, away });
		}
		return found.sort((one2, other) => one2.away - other.away).map(({ id }) => id);
	}
	distance(npc) {
		const actor = this.bodies.find(npc);
		return (actor == null ? void 0 : actor.is3DLoaded()) ? this.bodies.getPlayer().getDistance(actor) : Infinity;
	}
	here(npc) {
		return this.bodies.here(this.bodies.find(npc));
	}
	scripted(npc) {
		const actor = this.bodies.find(npc);
		return actor !== null && this.bodies.scripted(actor);
	}
	position(npc) {
		const actor = this.bodies.find(npc);
		return (actor == null ? void 0 : actor.is3DLoaded()) ? whereIs(actor) : void 0;
	}
	facts(npc) {
		var _a, _b, _c;
		const actor = this.bodies.find(npc);
		const name = actor ? this.bodies.name(actor) : "";
		if (!actor || name === "") return void 0;
		const race = (_a = actor.getRace()) == null ? void 0 : _a.getName();
		const gender = ["male", "female"][(_c = (_b = actor.getLeveledActorBase()) == null ? void 0 : _b.getSex()) != null ? _c : -1];
		const voice2 = actor.getVoiceType();
		const rank = actor.getRelationshipRank(this.bodies.getPlayer());
		return __spreadValues(__spreadValues(__spreadValues(__spreadValues({
			name
		}, race ? { race } : {}), gender ? { gender } : {}), voice2 ? { voice_type: voice2.getName() || this.bodies.id(voice2) } : {}), rank ? { state: { affinity: rank / 4, relationship: relationship(rank) } } : {});
	}
	conditions(npc) {
		const actor = this.bodies.find(npc);
		if (!actor) return void 0;
		const inScene = actor.getCurrentScene() !== null;
		return {
			combat_active: actor.isInCombat(),
			quest_active: inScene,
			// scenes belong to quests; more of them the game does not tell by person
			weapon_drawn: actor.isWeaponDrawn(),
			in_scene: inScene || actor.isInDialogueWithPlayer()
		};
	}
	lookAtPlayer(npc) {
		var _a;
		(_a = this.bodies.find(npc)) == null ? void 0 : _a.setLookAt(this.bodies.getPlayer(), false);
	}
	lookAway(npc) {
		const actor = this.bodies.find(npc);
		if (actor == null ? void 0 : actor.is3DLoaded()) actor.clearLookAt();
	}
	express(npc, mood) {
		var _a;
		const actor = this.bodies.find(npc);
		if (!(actor == null ? void 0 : actor.is3DLoaded())) return;
		if (mood === void 0) actor.clearExpressionOverride();
		else actor.setExpressionOverride((_a = EXPRESSIONS[mood]) != null ? _a : EXPRESSIONS.neutral, EXPRESSION_STRENGTH);
	}
	moveMouth(npc, morph, weight) {
		var _a;
		(_a = this.bodies.find(npc)) == null ? void 0 : _a.setExpressionPhoneme(morph, weight);
	}
	playSpeech(npc, file) {
		const id = this.topics[file];
		const topic = id === void 0 ? null : this.sp.Topic.from(this.bodies.form(id));
		const actor = this.bodies.find(npc);
		if (!topic || !actor) return false;
		actor.say(topic, null, false);
		return true;
	}
	belongings(npc) {
		const actor = this.bodies.find(npc);
		return actor ? this.deeds.belongings(actor) : [];
	}
	perform(deed, done) {
		this.deeds.perform(deed, done);
	}
	tendDeeds(now) {
		this.deeds.tend(now);
	}
};
function relationship(rank) {
	if (rank >= 3) return "ally";
	if (rank >= 1) return "friend";
	if (rank === 0) return "stranger";
	return rank === -1 ? "rival" : "enemy";
}
function whereIs(actor) {
	return [round(actor.getPositionX(), 10), round(actor.getPositionY(), 10), round(actor.getPositionZ(), 10)];
}
function round(value, parts) {
	return Math.round(value * parts) / parts;
}

// src/skyrim/skyrim.ts
var PAUSING = /* @__PURE__ */ new Set([
	"BarterMenu",
	"Book Menu",
	"Console",
	"ContainerMenu",
	"Creation Club Menu",
	"Credits Menu",
	"FavoritesMenu",
	"GiftMenu",
	"InventoryMenu",
	"Journal Menu",
	"LevelUp Menu",
	"Loading Menu",
	"Lockpicking Menu",
	"MagicMenu",
	"Main Menu",
	"MapMenu",
	"MessageBoxMenu",
	"Mist Menu",
	"Mod Manager Menu",
	"RaceSex Menu",
	"Sleep/Wait Menu",
	"StatsMenu",
	"Training Menu",
	"Tutorial Menu",
	"TweenMenu"
]);
var MOD_EVENT = "rfsn_say";
var NOTIFICATIONS = 32;
var Skyrim = class {
	constructor(sp, store2, settings2) {
		this.sp = sp;
		this.settings = settings2;
		this.name = "skyrim";
		this.notifications = [];
		this.faults = /* @__PURE__ */ new Set();
		this.storage = sp.storage;
		this.bodies = new Bodies(sp);
		this.deeds = new Deeds(sp, this.bodies, store2);
		this.world = new SkyrimWorld(sp, this.bodies, this.deeds, settings2.topics);
		this.browser = sp.browser ? this.page() : void 0;
		this.openSocket = typeof WebSocket === "function" ? openWebSocket : void 0;
	}
	now() {
		return Date.now();
	}
	log(text2) {
		this.sp.printConsole(`[RFSN Bridge] ${text2}`);
	}
	notify(text2) {
		if (this.notifications.length < NOTIFICATIONS) this.notifications.push(text2.replace(/</g, "(").replace(/>/g, ")"));
	}
	http(url) {
		if (typeof this.sp.HttpClient !== "function") return void 0;
		const client = new this.sp.HttpClient(url);
		return {
			get: (path, answered) => client.get(path, {}, (answer) => this.guard("http", () => answered(answer))),
			post: (path, body, answered) => client.post(
				path,
				{ body, contentType: "application/json" },
				(answer) => this.guard("http", () => answered(answer))
			)
		};
	}
	listen(listener) {
		this.listenToFrames(listener);
		this.listenToWorld(listener);
		this.listenToStory(listener);
		this.listenToPlayer(listener);
	}
	listenToFrames(listener) {
		this.on("tick", () => listener.tick(this.now()));
		this.on("update", () => {
			listener.update(this.now());
			for (let text2 = this.notifications.shift(); text2 !== void 0; text2 = this.notifications.shift()) {
				this.sp.Debug.notification(text2);
			}
		});
	}
	listenToWorld(listener) {
		const { bodies } = this;
		this.on("crosshairRefChanged", () => listener.pointedAt(this.world.addressee()));
		this.on("combatState", ({ actor, target, isCombat }) => {
			const npc = bodies.actorId(actor);
			if (npc !== void 0 && npc !== "player") listener.combat(npc, bodies.actorId(target), isCombat);
		});
		this.on("hit", ({ target, aggressor, isHitBlocked }) => {
			const npc = bodies.actorId(target);
			if (npc !== void 0) listener.hit(npc, bodies.actorId(aggressor), isHitBlocked);
		});
		this.on("deathStart", ({ actorDying, actorKiller }) => {
			const npc = bodies.actorId(actorDying);
			if (npc !== void 0 && npc !== "player") listener.death(npc, bodies.actorId(actorKiller));
		});
		this.on("locationChanged", ({ actor, oldLoc, newLoc }) => {
			var _a, _b;
			if (bodies.actorId(actor) === "player") listener.moved((_a = newLoc == null ? void 0 : newLoc.getName()) != null ? _a : "", (_b = oldLoc == null ? void 0 : oldLoc.getName()) != null ? _b : "");
		});
		this.on("questStart", ({ quest }) => listener.quest("started", quest.getName()));
		this.on("questStage", ({ quest }) => listener.quest("updated", quest.getName()));
		this.on("questStop", ({ quest }) => listener.quest("ended", quest.getName()));
	}
	listenToStory(listener) {
		this.on("saveGame", () => listener.saved());
		this.on("preLoadGame", () => {
			this.deeds.forget();
			listener.loading();
		});
		this.on("postLoadGame", () => listener.loaded());
		this.on("loadGame", () => listener.loaded());
		this.on("newGame", () => {
			this.deeds.forget();
			listener.newGame();
		});
	}
	listenToPlayer(listener) {
		this.on("menuOpen", ({ name }) => PAUSING.has(name) && listener.menu(name, true));
		this.on("menuClose", ({ name }) => PAUSING.has(name) && listener.menu(name, false));
		this.on("buttonEvent", ({ code, isDown }) => {
			var _a;
			if (isDown && code === this.settings.talk_key && !((_a = this.browser) == null ? void 0 : _a.focused())) listener.talkKey();
		});
		this.on("modEvent", ({ eventName, strArg }) => {
			if (eventName.toLowerCase() === MOD_EVENT) listener.said(strArg);
		});
	}
	on(event, react) {
		this.sp.on(event, (...values) => this.guard(event, () => react(...values)));
	}
	/** Run what the game calls. What it throws is told once, for it may happen on every frame. */
	guard(where, run) {
		var _a;
		this.bodies.renew();
		try {
			run();
		} catch (error) {
			const fault = `${where}: ${String(error)}`;
			if (this.faults.has(fault) || this.faults.size > 50) return;
			this.faults.add(fault);
			this.log(`a fault in ${fault}
${String((_a = error.stack) != null ? _a : "")}`);
			this.notify("RFSN Bridge: something went wrong. The console says what.");
		}
	}
	page() {
		const { browser } = this.sp;
		return {
			load: (url) => browser.loadUrl(url),
			run: (javascript) => browser.executeJavaScript(javascript),
			show: () => browser.setVisible(true),
			focus: (focused) => browser.setFocused(focused),
			focused: () => browser.isFocused(),
			listen: (received) => this.on("browserMessage", (event) => received(event.arguments))
		};
	}
};
var openWebSocket = (url, protocol, listener) => {
	if (typeof WebSocket !== "function") throw new Error("this runtime has no WebSocket");
	const socket = new WebSocket(url, protocol);
	let over = false;
	const end = (reason) => {
		if (over) return;
		over = true;
		listener.closed(reason);
	};
	socket.onmessage = ({ data }) => {
		if (!over && typeof data === "string") listener.message(data);
	};
	socket.onclose = ({ code, reason }) => end(`closed with ${code} ${reason}`.trim());
	socket.onerror = () => end("no connection");
	return {
		send: (text2) => socket.send(text2),
		close: () => {
			over = true;
			socket.close();
		}
	};
};

// src/store.ts
var Store = class {
	constructor(storage) {
		this.storage = storage;
		this.parts = [];
	}
	/** What was kept before under this name; undefined if nothing was, or if it is broken. */
	load(name) {
		const kept = this.storage[PREFIX + name];
		if (typeof kept !== "string") return void 0;
		try {
			return JSON.parse(kept);
		} catch (e) {
			return void 0;
		}
	}
	/** Keep what `value` gives. Call what this returns whenever that has changed. */
	keep(name, value) {
		const part = { name, value, changed: false };
		this.parts.push(part);
		return () => {
			part.changed = true;
		};
	}
	flush() {
		for (const part of this.parts) {
			if (!part.changed) continue;
			part.changed = false;
			this.storage[PREFIX + part.name] = JSON.stringify(part.value());
		}
	}
};
var PREFIX = "rfsn.";

// src/main.ts
var NAME = "rfsn-bridge";
var VERSION = "0.1.0";
var platform = findPlatform();
var store = new Store(platform.storage);
var problems = [];
var settings = readSettings(platform.settings[NAME], (problem) => problems.push(problem));
var game = new Skyrim(platform, store, settings);
for (const problem of problems) {
	game.log(`${NAME}-settings.txt: ${problem}`);
	game.notify(`RFSN Bridge settings: ${problem}`);
}
game.listen(new Adapter(game, store, settings, VERSION));
game.log(`version ${VERSION}`);
})();

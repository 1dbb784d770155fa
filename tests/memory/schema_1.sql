-- The tables of version 1, as they were released; never changed again.
CREATE TABLE clock (moment INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);
CREATE TABLE playthroughs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    branch INTEGER NOT NULL DEFAULT 0,        -- the present: a branch,
    upto INTEGER                              -- and its last moment (NULL: all of it)
) STRICT;
CREATE TABLE branches (
    id INTEGER PRIMARY KEY,
    playthrough INTEGER NOT NULL REFERENCES playthroughs,
    parent INTEGER REFERENCES branches,
    fork INTEGER NOT NULL DEFAULT 0,          -- the last moment of the parent that belongs to it
    last INTEGER NOT NULL DEFAULT 0           -- its own last moment
) STRICT;
CREATE INDEX branches_by_fork ON branches (parent, fork);
CREATE TABLE npcs (
    id INTEGER PRIMARY KEY,
    playthrough INTEGER NOT NULL REFERENCES playthroughs,
    npc_id TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (playthrough, npc_id)
) STRICT;
CREATE TABLE turns (
    moment INTEGER PRIMARY KEY,
    branch INTEGER NOT NULL REFERENCES branches,
    npc INTEGER NOT NULL REFERENCES npcs,
    turn_id TEXT NOT NULL UNIQUE,
    player_text TEXT NOT NULL,
    heard_text TEXT NOT NULL,
    heard_through_seq INTEGER NOT NULL,
    status TEXT NOT NULL,
    hearers TEXT NOT NULL,                    -- JSON: npc_ids
    deeds TEXT NOT NULL,                      -- JSON
    state TEXT NOT NULL,                      -- JSON
    decision BLOB,                            -- JSON, deflated
    importance REAL NOT NULL,                 -- 0 to 1
    game_date REAL,
    started_at REAL NOT NULL
) STRICT;
CREATE TABLE memories (                       -- who remembers which turn: who spoke, and who heard it
    npc INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    own INTEGER NOT NULL,
    PRIMARY KEY (npc, branch, moment)
) STRICT, WITHOUT ROWID;
CREATE INDEX memories_by_turn ON memories (moment);
CREATE TABLE minds (                          -- state and learning; written over unless a save may need the old
    npc INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    state TEXT NOT NULL,                      -- JSON
    learned BLOB,
    PRIMARY KEY (npc, branch, moment)
) STRICT, WITHOUT ROWID;
CREATE TABLE saves (
    playthrough INTEGER NOT NULL REFERENCES playthroughs,
    save_id TEXT NOT NULL,
    branch INTEGER NOT NULL REFERENCES branches,
    moment INTEGER NOT NULL,
    game_date REAL,
    made_at REAL NOT NULL,
    PRIMARY KEY (playthrough, save_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX saves_by_point ON saves (branch, moment);
CREATE TABLE events (
    moment INTEGER PRIMARY KEY,
    branch INTEGER NOT NULL REFERENCES branches,
    kind TEXT NOT NULL,
    npcs TEXT NOT NULL,                       -- JSON: npc_ids
    text TEXT,
    data TEXT,                                -- JSON
    game_date REAL
) STRICT;
CREATE VIEW dated AS
    SELECT branch, moment, game_date FROM turns WHERE game_date IS NOT NULL
    UNION ALL SELECT branch, moment, game_date FROM events WHERE game_date IS NOT NULL
    UNION ALL SELECT branch, moment, game_date FROM saves WHERE game_date IS NOT NULL;
CREATE INDEX turns_dated ON turns (branch, game_date) WHERE game_date IS NOT NULL;
CREATE INDEX events_dated ON events (branch, game_date) WHERE game_date IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (       -- rowid = moment of a turn; `who` = "n12 n15": who remembers it
    who, text, content = '', tokenize = "unicode61 remove_diacritics 2"
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
PRAGMA application_id=1380340558;
PRAGMA user_version=1;

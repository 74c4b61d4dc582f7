-- The store of a Hubbub that stands alone; version 1. Times are milliseconds since 1970 UTC.

-- Facts about the file itself: 'secret' signs resume tokens.
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- Rooms that have, or lately had, entries. The log holds the entries above 'trimmed' up to 'head'.
-- 'due' is when retention has to look at the room next.
CREATE TABLE rooms (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    head INTEGER NOT NULL,
    trimmed INTEGER NOT NULL,
    last_ts INTEGER NOT NULL,
    due INTEGER NOT NULL
) STRICT;
CREATE INDEX rooms_by_due ON rooms (due);

-- One row an entry 'message': the entry as it was logged and the state of the message now ('edited_text' and
-- 'edited_ts' of its last edit). A row outlives its entry until its key need no longer be remembered.
CREATE TABLE messages (
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    id TEXT NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    role INTEGER NOT NULL,
    text TEXT NOT NULL,
    key TEXT,
    reply_to TEXT,
    instance TEXT NOT NULL,
    edited_text TEXT,
    edited_ts INTEGER,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

-- Where a message is found by its id; at once the record that makes retries harmless. Holds 64 bits of the id: ids of
-- messages with keys come in random order, so that every one touches a page of its own, and small rows make few pages.
CREATE TABLE ids (
    room INTEGER NOT NULL,
    half INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (room, half, seq)
) STRICT, WITHOUT ROWID;

-- One row an entry of another kind. 'text' is the new text or the emoji; 'flag' is deleted-since or on.
CREATE TABLE changes (
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    message TEXT NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    role INTEGER NOT NULL,
    text TEXT NOT NULL,
    flag INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
-- A delete empties the edits of its message.
CREATE INDEX edits_by_message ON changes (room, message) WHERE kind = 0;

-- Who has which emoji on which message; 'since' is the entry that put it on.
CREATE TABLE reactions (
    room INTEGER NOT NULL,
    message INTEGER NOT NULL,
    emoji TEXT NOT NULL,
    user TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (room, message, emoji, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    folded TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role INTEGER NOT NULL,
    password_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE logins (token BLOB PRIMARY KEY, folded TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX logins_by_end ON logins (expires);

CREATE TABLE bans (user TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX bans_by_end ON bans (expires);

-- 'day' is when the marker last moved, in days since 1970: finer would rewrite the index at every move.
CREATE TABLE markers (
    room TEXT NOT NULL,
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX markers_by_day ON markers (day);

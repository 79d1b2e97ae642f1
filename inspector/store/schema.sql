-- A gwinspect capture. `application_id` is 0x47574341 ("GWCA"), `user_version` the schema version.
--
-- Version history
--   3  the first that was released
--   4  ids of more than 64 bits, as blobs: `name` has no rowid
--   5  what the recording can know: `connection` has knows
--   6  whose a connection is: `connection` has account
--
-- `connection` and `frame` are the truth. All other tables but `meta` are derived from them and are rebuilt by
-- `gwinspect reindex`.

-- What the file is and how it came about.
create table meta (
    key   text primary key,      -- tool, created_at, host, made_by, source, finished_at;
                                 --   missing: messages in gaps; clock: JSON, how the machine's clock was set meanwhile;
                                 --   max_concurrency: how many shards the bot may start within 5 s, where that was said;
                                 --   start_limits: JSON, answers to GET /gateway/bot: when (at_ns, ns since the epoch), who
                                 --   asked (token, a digest), shards, total, remaining, reset_after_ms, max_concurrency;
                                 --   of what was made of other files: notes: JSON, what was left out; files: JSON, their
                                 --   names; file_of: JSON, for each connection the place of its file in that, from 0
    value text not null          -- text, times in ISO 8601
) without rowid;

-- One row per WebSocket connection, refused ones too, and per UDP path to a voice server.
create table connection (
    id            integer primary key,  -- from 1, in the order in which they were opened
    plane         text not null,        -- gateway, voice, remote-auth, rpc, media (UDP)
    url           text not null,        -- as the client asked for it
    version       integer,              -- v of the URL
    encoding      text,                 -- json or etf, as seen on the wire
    compression   text,                 -- none, zlib-stream, zstd-stream or payload, as seen on the wire
    client        text,                 -- address of the client, host:port
    status        integer,              -- HTTP status of the upgrade; null if it did not come that far
    refusal       text,                 -- why there was no connection; null if there was
    headers       text not null,        -- JSON: a few harmless headers of the upgrade
    joined_late   integer not null,     -- 1: the recording begins in the middle of this connection
    knows         integer not null default 31, -- what its source records, bits: 1 ends, 2 who closed, 4 times, 8 pings
                                        --   and pongs, 16 both directions; 32 where messages are *not* as on the wire
    opened_at     integer not null,     -- ns since the epoch
    closed_at     integer,              -- ns since the epoch; null while open, or if the recording ended first; when its
                                        --   last message passed, if its source does not record ends
    close_code    integer,              -- RFC 6455 section 7.4; 1005: none given, 1006: no close frame
    close_reason  text,                 -- what came with the code
    closed_by     text,                 -- client, server or proxy; null if not known
    session       text,                 -- digest of the Discord session id, the same over all that resumed it
    shard         text,                 -- 0/2
    account       text,                 -- whose it is: digest of the token that its account showed first; "user" and an id,
                                        --   where no token was seen; null if not known
    parent        integer,              -- voice: id of the main connection that asked for it; media: of the voice one
    dave          text,                 -- voice: how far its end-to-end encryption has come, in words
    unread_frames integer not null,     -- messages after the compression context was lost
    unread_bytes  integer not null      -- and their bytes
);

-- Everything that crossed the wire, in order. Never edited except by redaction, which says so in `marks`.
create table frame (
    id          integer primary key,    -- from 1, over all connections
    connection  integer not null,       -- id of its connection
    at          integer not null,       -- ns since the epoch
    kind        integer not null,       -- 0 message, 1 open, 2 close, 3 ping, 4 pong, 5 gap
    from_client integer,                -- 1 client to server, 0 server to client; null for an open, and an unknown closer
    is_text     integer,                -- 1 text, 0 binary; null for what is not a message
    marks       integer not null,       -- bits: 1 injected, 2 dropped, 4 changed by the proxy, 8 redacted by us; a
                                        --   close: 16 the proxy sent 1000 to the other end, 32 a forbidden code was sent;
                                        --   64 withheld: raw is JSON that says why the message could not be read; a
                                        --   packet: 128 its frame ends in DAVE's trailer, 256 it does not (of few is known)
    raw         blob,                   -- the bytes as seen, permessage-deflate undone; media: a packet; a close: code
                                        --   (0: unknown, unless marked 32), reason; a gap: first and last (ns), how
                                        --   many sent and received (8 bytes each), why
    forwarded   blob                    -- what the other end got, where the proxy changed it
);

-- One narrow row per row of the timeline.
create table event (
    id            integer primary key,  -- from 1, in timeline order
    connection    integer not null,     -- id of its connection
    at            integer not null,     -- ns since the epoch
    plane         text not null,        -- as in connection
    kind          text not null,        -- open, payload, close, undecoded, control, gap
    from_client   integer,              -- 1 send, 0 receive; for a close: who closed
    first_frame   integer not null,     -- the frames it came from: those of its connection and direction (media: and SSRC)
    last_frame    integer not null,     --   between these two
    op            ,                     -- number; a word on remote-auth, rpc and media
    event         text,                 -- t of a dispatch; evt of rpc; ping or pong
    seq           integer,              -- s of a dispatch; seq of the voice gateway
    close_code    integer,              -- a close: as in connection
    wire_bytes    integer not null,     -- of its frames
    decoded_bytes integer not null,     -- of its payload
    encoding      text,                 -- json, etf, binary
    marks         integer not null,     -- as in frame
    guild_id      integer,              -- the guild it is about; an id from 2^63 up is a blob of its digits, and
                                        --   cast(guild_id as text) gives the digits of any
    channel_id    integer,              -- the channel it is about, likewise
    user_id       integer,              -- the user it is about, likewise
    reason        text,                 -- undecoded, gap: a slug
    offset        integer,              -- undecoded: where
    note          text,                 -- what the state of the session says beyond the payload; undecoded: why
    answers       integer,              -- id of the event that it answers: the heartbeat of an ACK
    latency       integer,              -- ns from that event to this one
    severity      integer not null      -- of the worst finding: 0 none, 1 info, 2 warn, 3 error
);

-- What the rules noticed.
create table finding (
    id       integer primary key,    -- in the order in which they were noticed
    event    integer not null,       -- id of the event it belongs to
    rule     text not null,          -- id of the rule; `gwinspect explain` says more of it
    severity integer not null,       -- as in event
    text     text not null,          -- the case, in a sentence or two
    evidence text not null           -- JSON: ids of the events that it speaks of
);
create index finding_event on finding (event);

-- What ended a connection, for closes that were not the plain end of a conversation.
create table verdict (
    event      integer primary key,  -- id of the close
    cause      text not null,        -- what led to it in this session
    evidence   text not null,        -- JSON: ids of the events that say so
    reconnect  integer,              -- 1: connect again; null: not known
    resume     integer,              -- 1: the session may be resumed; null: not known
    advice     text not null,        -- what to do
    was_right  integer,              -- 1: what the client did next was right; null: nothing yet, or not known
    then_did   text not null,        -- what it did next; empty: nothing yet
    then_event integer               -- id of the event that says so
);

-- Decoded payloads, some 64 to a chunk. `data` is a zstd frame; inflated, it is a row of records, each an event id
-- (8 bytes, little-endian), a length (4 bytes, little-endian) and that many bytes of JSON text, ETF or voice binary.
create table payload_chunk (
    first_event integer primary key, -- id of the first event in it
    last_event  integer not null,    -- and of the last
    data        blob not null        -- zstd
);

-- The payloads of the chunk that is not yet full.
create table payload_tail (
    event integer primary key, -- its id
    data  blob not null        -- its payload, as in a record
);

-- Names of guilds and channels, for summaries.
create table name (
    id   integer primary key, -- of the guild, channel or thread, as in event
    name text not null        -- the newest that was seen
) without rowid;

-- What is kept, on SQLite. schema/postgres has the same tables and columns.
-- Ids are made by the program (store_id_make), times are microseconds since 1970, UTC.

PRAGMA application_id = 0x506f7374;     -- "Post": the file is a store of posthorn

-- One row.
CREATE TABLE schema_version(
  version INTEGER NOT NULL
);

CREATE TABLE domain(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,            -- A-labels in lower case
  created INTEGER NOT NULL
);

CREATE TABLE account(
  id INTEGER PRIMARY KEY,
  domain INTEGER NOT NULL REFERENCES domain(id),
  login TEXT NOT NULL UNIQUE,           -- the primary address, folded
  is_disabled INTEGER NOT NULL DEFAULT 0,
  quota_bytes INTEGER NOT NULL DEFAULT 0,      -- 0 = none
  quota_messages INTEGER NOT NULL DEFAULT 0,
  used_bytes INTEGER NOT NULL DEFAULT 0,       -- of all messages in all mailboxes
  used_messages INTEGER NOT NULL DEFAULT 0,
  uidvalidity INTEGER NOT NULL DEFAULT 0,          -- the largest that a mailbox of it ever had
  created INTEGER NOT NULL
);
CREATE INDEX account_by_domain ON account(domain);

CREATE TABLE credential(
  id INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  kind INTEGER NOT NULL,                -- enum store_credential_kind
  label TEXT NOT NULL,                  -- of an app password; else empty
  data TEXT NOT NULL,
  created INTEGER NOT NULL,
  UNIQUE(account, kind, label)
);

-- Where mail for an address goes. local is folded; '' is the domain's catch-all. Of an account's
-- own address the target is ''; an alias has an address as target and no account.
CREATE TABLE address(
  domain INTEGER NOT NULL REFERENCES domain(id),
  local TEXT NOT NULL,
  target TEXT NOT NULL,
  account INTEGER REFERENCES account(id) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  PRIMARY KEY(domain, local, target)
) WITHOUT ROWID;
CREATE INDEX address_by_account ON address(account);
CREATE INDEX address_by_target ON address(target);

-- Settings of the store itself, the same for all nodes.
CREATE TABLE setting(
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

-- The programs that work on this store, by the number in the ids that they make. Empty: on SQLite a
-- lock beside the file does it.
CREATE TABLE node(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  seen INTEGER NOT NULL,
  version TEXT NOT NULL
);

-- The counters say what the message rows add up to, so that nobody has to add.
CREATE TABLE mailbox(
  id INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  parent INTEGER NOT NULL DEFAULT 0,    -- the mailbox that it stands in; 0 = none
  name TEXT NOT NULL,                   -- one level, UTF-8
  role INTEGER NOT NULL DEFAULT 0,      -- enum store_role
  is_selectable INTEGER NOT NULL DEFAULT 1, -- 0: only a level above others
  uidvalidity INTEGER NOT NULL,
  uidnext INTEGER NOT NULL DEFAULT 1,
  recent INTEGER NOT NULL DEFAULT 1,       -- the first UID that no session was told of as \Recent
  modseq INTEGER NOT NULL DEFAULT 1,
  vanished_floor INTEGER NOT NULL DEFAULT 0,  -- what vanished up to this modseq is forgotten
  changed_floor INTEGER NOT NULL DEFAULT 0,   -- the same for what changed
  messages INTEGER NOT NULL DEFAULT 0,
  unseen INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE(account, parent, name)
);

-- Which process has a maildrop open, where several work on one store (store/store_lease.h).
CREATE TABLE maildrop_lease(
  mailbox INTEGER PRIMARY KEY REFERENCES mailbox(id) ON DELETE CASCADE,
  owner INTEGER NOT NULL,                -- the process
  id INTEGER NOT NULL,                   -- of this taking; of one owner's the latest counts
  until INTEGER NOT NULL
);

-- A body once, whatever the number of its recipients. Its bytes: `data` has the first 256 KiB,
-- body_part the others in pieces of 256 KiB, numbered from 1.
CREATE TABLE body(
  id INTEGER PRIMARY KEY,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  data BLOB NOT NULL
);

CREATE TABLE body_part(
  body INTEGER NOT NULL REFERENCES body(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY(body, number)
) WITHOUT ROWID;

-- What was found when the body came in (mail/message_parser.h).
CREATE TABLE body_meta(
  body INTEGER PRIMARY KEY REFERENCES body(id) ON DELETE CASCADE,
  lines INTEGER NOT NULL,
  sent INTEGER NOT NULL,                -- Date; 0 = none
  envelope BLOB NOT NULL,
  structure BLOB NOT NULL,
  header BLOB NOT NULL                  -- last: whoever wants the others does not read over it
);

-- A message in a mailbox: only what lists and flags need, so that many fit on a page.
CREATE TABLE message(
  mailbox INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  body INTEGER NOT NULL,
  flags INTEGER NOT NULL,               -- enum store_flag; STORE_FLAG_KEPT in all of them
  modseq INTEGER NOT NULL,
  received INTEGER NOT NULL,            -- the internal date
  saved INTEGER NOT NULL DEFAULT 0,     -- when it came into this mailbox; 0 = when it was received
  size INTEGER NOT NULL,                -- prefix and body
  prefix_size INTEGER NOT NULL,
  prefix_number INTEGER NOT NULL DEFAULT 0,   -- of message_prefix
  PRIMARY KEY(mailbox, uid)
) WITHOUT ROWID;

-- What a recipient has in front of the body: Return-Path, Received, Delivered-To; shared by the copies
-- that his account makes. The key begins with the body, so that the rows of one batch lie together,
-- and tell whether anybody still uses a body.
CREATE TABLE message_prefix(
  body INTEGER NOT NULL REFERENCES body(id),
  number INTEGER NOT NULL,                -- one for each recipient
  uses INTEGER NOT NULL,                  -- how many messages have it, and 1: from 2 on it keeps its width
  prefix BLOB NOT NULL,
  PRIMARY KEY(body, number)
) WITHOUT ROWID;

-- Which UIDs went, in ranges, and when (RFC 7162 3.2).
CREATE TABLE vanished(
  mailbox INTEGER NOT NULL,
  modseq INTEGER NOT NULL,
  uid INTEGER NOT NULL,                 -- the first
  uid_last INTEGER NOT NULL,
  removed INTEGER NOT NULL,             -- the time
  PRIMARY KEY(mailbox, modseq, uid)
) WITHOUT ROWID;

-- Whose flags changed, in ranges of UIDs: what a session that looks on reads. An index of the
-- messages by modseq would cost every delivery and every change of flags.
CREATE TABLE changed(
  mailbox INTEGER NOT NULL,
  modseq INTEGER NOT NULL,
  uid INTEGER NOT NULL,                 -- the first
  uid_last INTEGER NOT NULL,
  PRIMARY KEY(mailbox, modseq, uid)
) WITHOUT ROWID;

-- Keywords of a mailbox: bit 8 and up of message.flags.
CREATE TABLE keyword(
  mailbox INTEGER NOT NULL REFERENCES mailbox(id) ON DELETE CASCADE,
  bit INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY(mailbox, bit)
) WITHOUT ROWID;

-- Names that an account subscribes to, mailboxes or not (RFC 9051 6.3.7).
CREATE TABLE subscription(
  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  name TEXT NOT NULL,                   -- whole
  PRIMARY KEY(account, name)
) WITHOUT ROWID;

-- Mail for far recipients, on its way. The id is that of its body.
CREATE TABLE outbound_message(
  id INTEGER PRIMARY KEY REFERENCES body(id),
  account INTEGER NOT NULL,             -- who submitted it; 0 = nobody
  sender TEXT NOT NULL,                 -- '' = <>
  envelope_id TEXT NOT NULL,
  return_content INTEGER NOT NULL,
  body_kind INTEGER NOT NULL,           -- enum store_body_kind
  is_utf8 INTEGER NOT NULL,
  prefix BLOB NOT NULL,                 -- our Received field
  owner INTEGER NOT NULL,               -- the runner that works on it
  created INTEGER NOT NULL
);

CREATE TABLE outbound_recipient(
  message INTEGER NOT NULL REFERENCES outbound_message(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,              -- from 0
  recipient TEXT NOT NULL,
  route TEXT NOT NULL,                  -- delivery/relay.h
  original_recipient TEXT NOT NULL,
  notify INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,     -- enum store_outbound_state
  due INTEGER NOT NULL,                 -- when it is tried next
  attempts INTEGER NOT NULL DEFAULT 0,
  is_warned INTEGER NOT NULL DEFAULT 0,
  last_attempt INTEGER NOT NULL DEFAULT 0,
  last_code INTEGER NOT NULL DEFAULT 0,
  last_enhanced TEXT NOT NULL DEFAULT '',
  last_text TEXT NOT NULL DEFAULT '',
  last_host TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(message, number)
) WITHOUT ROWID;
-- What the queue is counted by reads this alone.
CREATE INDEX outbound_recipient_by_route
  ON outbound_recipient(route, state, due, attempts);

-- Routes that failed as a whole.
CREATE TABLE outbound_route(
  route TEXT PRIMARY KEY,
  resting_until INTEGER NOT NULL,
  failures INTEGER NOT NULL,            -- in a row
  code INTEGER NOT NULL,
  reason TEXT NOT NULL,
  failed INTEGER NOT NULL               -- when
) WITHOUT ROWID;

-- Whose are the messages of a runner: a process that dies is followed by another. Empty where one
-- process has the store to itself.
CREATE TABLE outbound_runner(
  id INTEGER PRIMARY KEY,
  process INTEGER NOT NULL,
  seen INTEGER NOT NULL
);

-- What accounts sent to far recipients, in slots of time (store/store_sending.h).
CREATE TABLE sending(
  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  slot INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  recipients INTEGER NOT NULL,
  PRIMARY KEY(account, slot)
) WITHOUT ROWID;

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
  flags INTEGER NOT NULL,               -- enum store_flag
  modseq INTEGER NOT NULL,
  received INTEGER NOT NULL,            -- the internal date
  saved INTEGER NOT NULL DEFAULT 0,     -- when it came into this mailbox; 0 = when it was received
  size INTEGER NOT NULL,                -- prefix and body
  prefix_size INTEGER NOT NULL,
  PRIMARY KEY(mailbox, uid)
) WITHOUT ROWID;

-- What this copy has in front of the body: Return-Path, Received, Delivered-To. The key begins with
-- the body, so that the rows of one batch lie together, and tell who still uses a body.
CREATE TABLE message_prefix(
  body INTEGER NOT NULL REFERENCES body(id),
  mailbox INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  prefix BLOB NOT NULL,
  PRIMARY KEY(body, mailbox, uid)
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

-- Mail for far recipients, on its way.
CREATE TABLE outbound_message(
  id INTEGER PRIMARY KEY,
  body INTEGER NOT NULL REFERENCES body(id),
  account INTEGER NOT NULL,             -- who submitted it; 0 = nobody
  sender TEXT NOT NULL,                 -- '' = <>
  envelope_id TEXT NOT NULL,
  return_content INTEGER NOT NULL,
  created INTEGER NOT NULL
);
CREATE INDEX outbound_message_by_body ON outbound_message(body);

CREATE TABLE outbound_recipient(
  message INTEGER NOT NULL REFERENCES outbound_message(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,              -- from 0
  recipient TEXT NOT NULL,
  route TEXT NOT NULL,                  -- next hop; '' = by MX
  original_recipient TEXT NOT NULL,
  notify INTEGER NOT NULL,
  state INTEGER NOT NULL,               -- 0 = waits
  attempts INTEGER NOT NULL DEFAULT 0,
  next_attempt INTEGER NOT NULL,
  lease_owner INTEGER NOT NULL DEFAULT 0,
  lease_end INTEGER NOT NULL DEFAULT 0,
  last_code INTEGER NOT NULL DEFAULT 0,
  last_text TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(message, number)
) WITHOUT ROWID;
CREATE INDEX outbound_recipient_due ON outbound_recipient(state, next_attempt);
CREATE INDEX outbound_recipient_by_route ON outbound_recipient(route, state, next_attempt);

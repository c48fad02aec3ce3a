-- What is kept, on PostgreSQL. schema/sqlite has the same tables and columns.
-- Ids are made by the program (store_id_make), times are microseconds since 1970, UTC.

-- One row.
CREATE TABLE schema_version(
  version BIGINT NOT NULL
);

CREATE TABLE domain(
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,            -- A-labels in lower case
  created BIGINT NOT NULL
);

CREATE TABLE account(
  id BIGINT PRIMARY KEY,
  domain BIGINT NOT NULL REFERENCES domain(id),
  login TEXT NOT NULL UNIQUE,           -- the primary address, folded
  is_disabled BIGINT NOT NULL DEFAULT 0,
  quota_bytes BIGINT NOT NULL DEFAULT 0,      -- 0 = none
  quota_messages BIGINT NOT NULL DEFAULT 0,
  used_bytes BIGINT NOT NULL DEFAULT 0,       -- of all messages in all mailboxes
  used_messages BIGINT NOT NULL DEFAULT 0,
  uidvalidity BIGINT NOT NULL DEFAULT 0,          -- the largest that a mailbox of it ever had
  created BIGINT NOT NULL
);
CREATE INDEX account_by_domain ON account(domain);

CREATE TABLE credential(
  id BIGINT PRIMARY KEY,
  account BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  kind BIGINT NOT NULL,                -- enum store_credential_kind
  label TEXT NOT NULL,                  -- of an app password; else empty
  data TEXT NOT NULL,
  created BIGINT NOT NULL,
  UNIQUE(account, kind, label)
);

-- Where mail for an address goes. local is folded; '' is the domain's catch-all. Of an account's
-- own address the target is ''; an alias has an address as target and no account.
CREATE TABLE address(
  domain BIGINT NOT NULL REFERENCES domain(id),
  local TEXT NOT NULL,
  target TEXT NOT NULL,
  account BIGINT REFERENCES account(id) ON DELETE CASCADE,
  created BIGINT NOT NULL,
  PRIMARY KEY(domain, local, target)
);
CREATE INDEX address_by_account ON address(account);
CREATE INDEX address_by_target ON address(target);

-- Settings of the store itself, the same for all nodes.
CREATE TABLE setting(
  name TEXT PRIMARY KEY,
  value BYTEA NOT NULL
);

-- The programs that work on this store, by the number in the ids that they make; seen is renewed, and
-- name is '' when the number was given back.
CREATE TABLE node(
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  seen BIGINT NOT NULL,
  version TEXT NOT NULL
);

-- The counters say what the message rows add up to, so that nobody has to add.
CREATE TABLE mailbox(
  id BIGINT PRIMARY KEY,
  account BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  parent BIGINT NOT NULL DEFAULT 0,    -- the mailbox that it stands in; 0 = none
  name TEXT NOT NULL,                   -- one level, UTF-8
  role BIGINT NOT NULL DEFAULT 0,      -- enum store_role
  is_selectable BIGINT NOT NULL DEFAULT 1, -- 0: only a level above others
  uidvalidity BIGINT NOT NULL,
  uidnext BIGINT NOT NULL DEFAULT 1,
  recent BIGINT NOT NULL DEFAULT 1,       -- the first UID that no session was told of as \Recent
  modseq BIGINT NOT NULL DEFAULT 1,
  vanished_floor BIGINT NOT NULL DEFAULT 0,  -- what vanished up to this modseq is forgotten
  changed_floor BIGINT NOT NULL DEFAULT 0,   -- the same for what changed
  messages BIGINT NOT NULL DEFAULT 0,
  unseen BIGINT NOT NULL DEFAULT 0,
  deleted BIGINT NOT NULL DEFAULT 0,
  bytes BIGINT NOT NULL DEFAULT 0,
  UNIQUE(account, parent, name)
);

-- Which process has a maildrop open, where several work on one store (store/store_lease.h).
CREATE TABLE maildrop_lease(
  mailbox BIGINT PRIMARY KEY REFERENCES mailbox(id) ON DELETE CASCADE,
  owner BIGINT NOT NULL,                 -- the process
  id BIGINT NOT NULL,                    -- of this taking; of one owner's the latest counts
  until BIGINT NOT NULL
);

-- A body once, whatever the number of its recipients. Its bytes: `data` has the first 256 KiB,
-- body_part the others in pieces of 256 KiB, numbered from 1.
CREATE TABLE body(
  id BIGINT PRIMARY KEY,
  size BIGINT NOT NULL,
  created BIGINT NOT NULL,
  data BYTEA NOT NULL
);

CREATE TABLE body_part(
  body BIGINT NOT NULL REFERENCES body(id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY(body, number)
);

-- What was found when the body came in (mail/message_parser.h).
CREATE TABLE body_meta(
  body BIGINT PRIMARY KEY REFERENCES body(id) ON DELETE CASCADE,
  lines BIGINT NOT NULL,
  sent BIGINT NOT NULL,                -- Date; 0 = none
  envelope BYTEA NOT NULL,
  structure BYTEA NOT NULL,
  header BYTEA NOT NULL                  -- last: whoever wants the others does not read over it
);

-- A message in a mailbox: only what lists and flags need, so that many fit on a page.
CREATE TABLE message(
  mailbox BIGINT NOT NULL,
  uid BIGINT NOT NULL,
  body BIGINT NOT NULL,
  flags BIGINT NOT NULL,               -- enum store_flag; STORE_FLAG_KEPT in all of them
  modseq BIGINT NOT NULL,
  received BIGINT NOT NULL,            -- the internal date
  saved BIGINT NOT NULL DEFAULT 0,     -- when it came into this mailbox; 0 = when it was received
  size BIGINT NOT NULL,                -- prefix and body
  prefix_size BIGINT NOT NULL,
  prefix_number BIGINT NOT NULL DEFAULT 0,   -- of message_prefix
  PRIMARY KEY(mailbox, uid)
);

-- What a recipient has in front of the body: Return-Path, Received, Delivered-To; shared by the copies
-- that his account makes. The key begins with the body, so that the rows of one batch lie together,
-- and tell whether anybody still uses a body.
CREATE TABLE message_prefix(
  body BIGINT NOT NULL REFERENCES body(id),
  number BIGINT NOT NULL,                -- one for each recipient
  uses BIGINT NOT NULL,                  -- how many messages have it, and 1: from 2 on it keeps its width
  prefix BYTEA NOT NULL,
  PRIMARY KEY(body, number)
);

-- Which UIDs went, in ranges, and when (RFC 7162 3.2).
CREATE TABLE vanished(
  mailbox BIGINT NOT NULL,
  modseq BIGINT NOT NULL,
  uid BIGINT NOT NULL,                 -- the first
  uid_last BIGINT NOT NULL,
  removed BIGINT NOT NULL,             -- the time
  PRIMARY KEY(mailbox, modseq, uid)
);

-- Whose flags changed, in ranges of UIDs: what a session that looks on reads. An index of the
-- messages by modseq would cost every delivery and every change of flags.
CREATE TABLE changed(
  mailbox BIGINT NOT NULL,
  modseq BIGINT NOT NULL,
  uid BIGINT NOT NULL,                 -- the first
  uid_last BIGINT NOT NULL,
  PRIMARY KEY(mailbox, modseq, uid)
);

-- Keywords of a mailbox: bit 8 and up of message.flags.
CREATE TABLE keyword(
  mailbox BIGINT NOT NULL REFERENCES mailbox(id) ON DELETE CASCADE,
  bit BIGINT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY(mailbox, bit)
);

-- Names that an account subscribes to, mailboxes or not (RFC 9051 6.3.7).
CREATE TABLE subscription(
  account BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  name TEXT NOT NULL,                   -- whole
  PRIMARY KEY(account, name)
);

-- Mail for far recipients, on its way. The id is that of its body.
CREATE TABLE outbound_message(
  id BIGINT PRIMARY KEY REFERENCES body(id),
  account BIGINT NOT NULL,             -- who submitted it; 0 = nobody
  sender TEXT NOT NULL,                 -- '' = <>
  envelope_id TEXT NOT NULL,
  return_content BIGINT NOT NULL,
  body_kind BIGINT NOT NULL,           -- enum store_body_kind
  is_utf8 BIGINT NOT NULL,
  prefix BYTEA NOT NULL,                 -- our Received field
  owner BIGINT NOT NULL,               -- the runner that works on it
  created BIGINT NOT NULL
);

CREATE TABLE outbound_recipient(
  message BIGINT NOT NULL REFERENCES outbound_message(id) ON DELETE CASCADE,
  number BIGINT NOT NULL,              -- from 0
  recipient TEXT NOT NULL,
  route TEXT NOT NULL,                  -- delivery/relay.h
  original_recipient TEXT NOT NULL,
  notify BIGINT NOT NULL,
  state BIGINT NOT NULL DEFAULT 0,     -- enum store_outbound_state
  due BIGINT NOT NULL,                 -- when it is tried next
  attempts BIGINT NOT NULL DEFAULT 0,
  is_warned BIGINT NOT NULL DEFAULT 0,
  last_attempt BIGINT NOT NULL DEFAULT 0,
  last_code BIGINT NOT NULL DEFAULT 0,
  last_enhanced TEXT NOT NULL DEFAULT '',
  last_text TEXT NOT NULL DEFAULT '',
  last_host TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(message, number)
);
-- What the queue is counted by reads this alone.
CREATE INDEX outbound_recipient_by_route
  ON outbound_recipient(route, state, due, attempts);

-- Routes that failed as a whole.
CREATE TABLE outbound_route(
  route TEXT PRIMARY KEY,
  resting_until BIGINT NOT NULL,
  failures BIGINT NOT NULL,            -- in a row
  code BIGINT NOT NULL,
  reason TEXT NOT NULL,
  failed BIGINT NOT NULL               -- when
);

-- Whose are the messages of a runner: a process that dies is followed by another. Empty where one
-- process has the store to itself.
CREATE TABLE outbound_runner(
  id BIGINT PRIMARY KEY,
  process BIGINT NOT NULL,
  seen BIGINT NOT NULL
);

-- What accounts sent to far recipients, in slots of time (store/store_sending.h).
CREATE TABLE sending(
  account BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE,
  slot BIGINT NOT NULL,
  messages BIGINT NOT NULL,
  recipients BIGINT NOT NULL,
  PRIMARY KEY(account, slot)
);
CREATE INDEX outbound_message_by_owner ON outbound_message(owner);

-- The last transaction of each connection that writes: what became of a COMMIT whose answer was lost
-- is read here. SQLite has no such table, as its answers are not lost.
CREATE TABLE commit_mark(
  connection BIGINT PRIMARY KEY,
  number BIGINT NOT NULL,
  used BIGINT NOT NULL
);
ALTER TABLE commit_mark SET (fillfactor = 30);

-- Mail is stored as it is: to compress it costs more than it gives.
ALTER TABLE body ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE body_part ALTER COLUMN data SET STORAGE EXTERNAL;
-- Room for the next version of a counter on the same page, without touching an index.
ALTER TABLE mailbox SET (fillfactor = 70);
ALTER TABLE account SET (fillfactor = 70);

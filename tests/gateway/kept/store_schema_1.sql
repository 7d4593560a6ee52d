-- A gateway's store as schema 1 wrote it: wire version 0. Kept so that upgrades stay tested.
BEGIN TRANSACTION;
CREATE TABLE audit_position (
        lock TEXT NOT NULL,
        journal_epoch INTEGER NOT NULL,
        next_seq INTEGER NOT NULL,
        PRIMARY KEY (lock, journal_epoch)
    ) WITHOUT ROWID;
INSERT INTO "audit_position" VALUES('aaaaaaaa',1,3);
CREATE TABLE inbox (
        id TEXT PRIMARY KEY,
        lock TEXT NOT NULL,
        version INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        answer BLOB
    ) WITHOUT ROWID;
INSERT INTO "inbox" VALUES('done','bbbbbbbb',2,1800003600,X'7B226B696E64223A22726573756C74222C226964223A22646F6E65222C226F6B223A747275652C2276657273696F6E223A327D');
INSERT INTO "inbox" VALUES('open','aaaaaaaa',4,1800003600,NULL);
CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        channel TEXT NOT NULL,
        device TEXT NOT NULL,
        payload BLOB NOT NULL
    );
INSERT INTO "outbox" VALUES(1,'aaaaaaaa-1-1-2-x','event','gw-1',X'7B226B696E64223A226175646974222C226964223A2261616161616161612D312D312D322D78222C226C6F636B223A226161616161616161222C226261746368223A224141222C227365616C223A224141227D');
CREATE TABLE pending_status (
        lock TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        document BLOB NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "pending_status" VALUES('aaaaaaaa',4,X'6C6973742034');
CREATE INDEX inbox_open ON inbox (lock) WHERE answer IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',1);
PRAGMA user_version = 1;
COMMIT;

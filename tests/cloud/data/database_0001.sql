BEGIN TRANSACTION;
CREATE TABLE alarms (
	alarm_id VARCHAR(24) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	device VARCHAR(32) NOT NULL, 
	detail VARCHAR(300) NOT NULL, 
	first_at BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	times BIGINT NOT NULL, 
	CONSTRAINT pk_alarms PRIMARY KEY (alarm_id), 
	CONSTRAINT uq_alarms_kind UNIQUE (kind, device, detail)
);
INSERT INTO "alarms" VALUES('pzp6rqcsojjlm5vh','OLD','gw-1','kept',1796432400,1796432400,1);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit_records (
	lock_id VARCHAR(8) NOT NULL, 
	journal_epoch BIGINT NOT NULL, 
	seq BIGINT NOT NULL, 
	raw BLOB NOT NULL, 
	time_lo BIGINT, 
	time_hi BIGINT, 
	event BIGINT NOT NULL, 
	code BIGINT NOT NULL, 
	source BIGINT NOT NULL, 
	subject BLOB, 
	received_at BIGINT NOT NULL, 
	CONSTRAINT pk_audit_records PRIMARY KEY (lock_id, journal_epoch, seq), 
	CONSTRAINT fk_audit_records_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "audit_records" VALUES('bbbbbbbb',1,1,X'88011A6B1362111A6B136211010000F658201610A2D3DEA20EE788A9DC6883B79B8284C0852FC2C89A5C9925376FB3CFE70E',1796432401,1796432401,1,0,0,NULL,1796432100);
INSERT INTO "audit_records" VALUES('bbbbbbbb',1,2,X'88021A6B1362121A6B136212050100F65820D2E295F95F117A2D629BEB34625EE153932C7A4AA3129E9348538D2E8443C70D',1796432402,1796432402,5,1,0,NULL,1796432100);
CREATE TABLE bookings (
	booking_id VARCHAR(24) NOT NULL, 
	room_id VARCHAR(32), 
	holder_name VARCHAR(200) NOT NULL, 
	holder_contact VARCHAR(200) NOT NULL, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	uid VARCHAR(255) NOT NULL, 
	recurrence_id VARCHAR(16) NOT NULL, 
	sequence BIGINT NOT NULL, 
	dtstamp BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_bookings PRIMARY KEY (booking_id), 
	CONSTRAINT fk_bookings_room_id FOREIGN KEY(room_id) REFERENCES rooms (room_id), 
	CONSTRAINT uq_bookings_uid UNIQUE (uid, recurrence_id), 
	CONSTRAINT ck_bookings_ck_bookings_ends_after_start CHECK (ends_at > starts_at), 
	CONSTRAINT ck_bookings_ck_bookings_known_status CHECK (status IN ('confirmed', 'pending', 'cancelled')), 
	CONSTRAINT ck_bookings_ck_bookings_has_room CHECK (room_id IS NOT NULL OR status = 'cancelled')
);
INSERT INTO "bookings" VALUES('j42smvgfn6iywjwn','room-2','x','',1796432400,1796436000,'cancelled','old-1','',1,1793491200,1796432100,1796432100);
INSERT INTO "bookings" VALUES('wj4vi4ftyocnith6','room-2','y','',1796518800,1796522400,'confirmed','old-2','',0,1793491200,1796432100,1796432100);
CREATE TABLE calendar_series (
	uid VARCHAR(255) NOT NULL, 
	sequence BIGINT NOT NULL, 
	dtstamp BIGINT NOT NULL, 
	CONSTRAINT pk_calendar_series PRIMARY KEY (uid)
);
INSERT INTO "calendar_series" VALUES('old-1',1,1793491200);
INSERT INTO "calendar_series" VALUES('old-2',0,1793491200);
CREATE TABLE credentials (
	cti BLOB NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	lock_id VARCHAR(8) NOT NULL, 
	raw_token BLOB NOT NULL, 
	not_before BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	issued_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	CONSTRAINT pk_credentials PRIMARY KEY (cti), 
	CONSTRAINT fk_credentials_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id), 
	CONSTRAINT fk_credentials_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "credentials" VALUES(X'1821444A7EE86AD0','j42smvgfn6iywjwn','bbbbbbbb',X'D28449A20132044496C50EB9A05836A703686262626262626262041A6B137278051A6B135FB8061A6B1360E407481821444A7EE86AD008A10341010948818264646F6F7207584008004E9990CF4C1DD357BBF924F8F04D4F10ACD6C211FCEA82BF462F210A5564B7F7393867BC88492FF48224E2D1C19DEA9A400BE82163EE8ACBF42C928B7407',1796431800,1796436600,1796432100,1796432100);
INSERT INTO "credentials" VALUES(X'553498AB2C641230','wj4vi4ftyocnith6','bbbbbbbb',X'D28449A20132044496C50EB9A05836A703686262626262626262041A6B14C3F8051A6B14B138061A6B1360E40748553498AB2C64123008A10341010948818264646F6F720758404165596D378A4CC94B3B8C021BF8DF3EE3D551CC806AC370FC9A0092B1E08505BB596B5CFC658B363EA22D5C6F9267A9272B96E8A2D68C9E5D0F93ACBCDCA609',1796518200,1796523000,1796432100,NULL);
CREATE TABLE gateways (
	gateway_id VARCHAR(32) NOT NULL, 
	online BOOLEAN NOT NULL, 
	version VARCHAR(40) NOT NULL, 
	started_at BIGINT NOT NULL, 
	waiting_events BIGINT NOT NULL, 
	heard_at BIGINT NOT NULL, 
	CONSTRAINT pk_gateways PRIMARY KEY (gateway_id)
);
CREATE TABLE key_links (
	secret_sha256 BLOB NOT NULL, 
	ticket_sha256 BLOB NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	device_key BLOB, 
	created_at BIGINT NOT NULL, 
	claimed_at BIGINT, 
	replaced_at BIGINT, 
	CONSTRAINT pk_key_links PRIMARY KEY (secret_sha256), 
	CONSTRAINT uq_key_links_ticket_sha256 UNIQUE (ticket_sha256), 
	CONSTRAINT fk_key_links_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
INSERT INTO "key_links" VALUES(X'AEAF2CD1AF55E2523866066F0E080F35FB572FE4BAEACDD6C40FB099CFA631C7',X'2A13B05674039FBCB17DD2C9EDD8C0EEF8563A13E1C942F94D5A25432842B4E2','wj4vi4ftyocnith6',NULL,1796432100,NULL,NULL);
CREATE TABLE lock_reports (
	lock_id VARCHAR(8) NOT NULL, 
	gateway_id VARCHAR(32), 
	reachable BOOLEAN NOT NULL, 
	seen_at BIGINT NOT NULL, 
	bolt VARCHAR(10) NOT NULL, 
	door VARCHAR(10) NOT NULL, 
	status_version BIGINT NOT NULL, 
	head_seq BIGINT NOT NULL, 
	time_lo BIGINT, 
	time_hi BIGINT, 
	heard_at BIGINT NOT NULL, 
	CONSTRAINT pk_lock_reports PRIMARY KEY (lock_id), 
	CONSTRAINT fk_lock_reports_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "lock_reports" VALUES('bbbbbbbb',NULL,1,1796432400,'locked','closed',1,2,NULL,NULL,1796432400);
CREATE TABLE locks (
	lock_id VARCHAR(8) NOT NULL, 
	room_id VARCHAR(32), 
	public_key BLOB NOT NULL, 
	vault_epoch BIGINT NOT NULL, 
	journal_epoch BIGINT NOT NULL, 
	enrolled_at BIGINT NOT NULL, 
	CONSTRAINT pk_locks PRIMARY KEY (lock_id), 
	CONSTRAINT fk_locks_room_id FOREIGN KEY(room_id) REFERENCES rooms (room_id), 
	CONSTRAINT uq_locks_room_id UNIQUE (room_id)
);
INSERT INTO "locks" VALUES('aaaaaaaa','room-1',X'AC377C7D62E28D7763FD33C665693CC1475FD67866999BC69A029DF12875D32D',1,1,1796432400);
INSERT INTO "locks" VALUES('bbbbbbbb','room-2',X'C649FB03FE1A6EDC584E1DD2041692C56D52B59EF43FE2EBCF281C2538B2315C',1,1,1796432400);
CREATE TABLE rooms (
	room_id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_rooms PRIMARY KEY (room_id), 
	CONSTRAINT uq_rooms_name UNIQUE (name)
);
INSERT INTO "rooms" VALUES('room-1','第1会議室');
INSERT INTO "rooms" VALUES('room-2','和室');
INSERT INTO "rooms" VALUES('room-3','音楽室');
CREATE TABLE settings (
	name VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('town','misaki');
CREATE TABLE status_outbox (
	lock_id VARCHAR(8) NOT NULL, 
	version BIGINT NOT NULL, 
	document BLOB NOT NULL, 
	acknowledged_version BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	CONSTRAINT pk_status_outbox PRIMARY KEY (lock_id), 
	CONSTRAINT fk_status_outbox_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "status_outbox" VALUES('bbbbbbbb',1,X'D28449A20132044487B5E505A0581F86686262626262626262011A6B1360E41A00079D4000481821444A7EE8000358408C68F1DAFC7A2F3E8D4CFCABFD362268334D726D509C7F3FDBBC4F111C87451F72453D1DD39EB3DB614AC0D85CB66E2C4FE2846FF44019CC764C6D428B4A7700',1,0,1796432100);
CREATE INDEX ix_bookings_room_time ON bookings (room_id, starts_at);
CREATE INDEX ix_credentials_booking_id ON credentials (booking_id);
CREATE INDEX ix_credentials_lock_id ON credentials (lock_id);
CREATE INDEX ix_key_links_booking_id ON key_links (booking_id);
CREATE INDEX ix_audit_records_subject ON audit_records (subject);
CREATE TRIGGER bookings_no_overlap_INSERT BEFORE INSERT ON bookings
WHEN NEW.status IN ('confirmed', 'pending')
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE room_id = NEW.room_id AND status IN ('confirmed', 'pending') AND booking_id <> NEW.booking_id
      AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at
  );
END;
CREATE TRIGGER bookings_no_overlap_UPDATE BEFORE UPDATE ON bookings
WHEN NEW.status IN ('confirmed', 'pending')
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE room_id = NEW.room_id AND status IN ('confirmed', 'pending') AND booking_id <> NEW.booking_id
      AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at
  );
END;
COMMIT;

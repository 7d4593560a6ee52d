BEGIN TRANSACTION;
CREATE TABLE account_facts (
	town VARCHAR(32) NOT NULL, 
	account_id VARCHAR(24) NOT NULL, 
	provider VARCHAR(31) NOT NULL, 
	level VARCHAR(8) NOT NULL, 
	resident BOOLEAN, 
	adult BOOLEAN, 
	verified_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_account_facts PRIMARY KEY (account_id, provider), 
	CONSTRAINT fk_account_facts_account_id FOREIGN KEY(account_id) REFERENCES accounts (account_id)
);
CREATE TABLE account_links (
	town VARCHAR(32) NOT NULL, 
	subject_hash BLOB NOT NULL, 
	account_id VARCHAR(24) NOT NULL, 
	provider VARCHAR(31) NOT NULL, 
	linked_at BIGINT NOT NULL, 
	last_used_at BIGINT NOT NULL, 
	CONSTRAINT pk_account_links PRIMARY KEY (subject_hash), 
	CONSTRAINT uq_account_links_account_id UNIQUE (account_id, provider), 
	CONSTRAINT fk_account_links_account_id FOREIGN KEY(account_id) REFERENCES accounts (account_id)
);
CREATE TABLE accounts (
	town VARCHAR(32) NOT NULL, 
	account_id VARCHAR(24) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	name_from VARCHAR(31) NOT NULL, 
	consent_version BIGINT NOT NULL, 
	consented_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_sign_in_at BIGINT NOT NULL, 
	CONSTRAINT pk_accounts PRIMARY KEY (account_id)
);
CREATE TABLE actions (
	town VARCHAR(32) NOT NULL, 
	seq BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	principal_id VARCHAR(24) NOT NULL, 
	action VARCHAR(40) NOT NULL, 
	object_id VARCHAR(64) NOT NULL, 
	detail TEXT NOT NULL, 
	row_hash BLOB NOT NULL, 
	CONSTRAINT pk_actions PRIMARY KEY (town, seq)
);
CREATE TABLE alarm_marks (
	town VARCHAR(32) NOT NULL, 
	alarm_id VARCHAR(24) NOT NULL, 
	seen_at BIGINT NOT NULL, 
	seen_by VARCHAR(100) NOT NULL, 
	seen_times BIGINT NOT NULL, 
	handled_at BIGINT, 
	handled_by VARCHAR(100), 
	handled_times BIGINT, 
	note VARCHAR(300) NOT NULL, 
	CONSTRAINT pk_alarm_marks PRIMARY KEY (alarm_id)
);
CREATE TABLE "alarms" (
	alarm_id VARCHAR(24) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	device VARCHAR(32) NOT NULL, 
	detail VARCHAR(300) NOT NULL, 
	first_at BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	times BIGINT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_alarms PRIMARY KEY (alarm_id), 
	CONSTRAINT uq_alarms_town UNIQUE (town, kind, device, detail)
);
INSERT INTO "alarms" VALUES('6lj3fhue24wyvmko','BATTERY_LOW','aaaaaaaa','less than 20 % left',1796432100,1796432100,1,'misaki');
INSERT INTO "alarms" VALUES('3jxlkb3jdgtxoygd','RECORDS_LOST','aaaaaaaa','its storage refused records',1796432100,1796432100,1,'misaki');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0008');
CREATE TABLE "audit_records" (
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
	value BIGINT, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_audit_records PRIMARY KEY (lock_id, journal_epoch, seq), 
	CONSTRAINT fk_audit_records_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
CREATE TABLE booking_holders (
	town VARCHAR(32) NOT NULL, 
	holder_id VARCHAR(24) NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	contact VARCHAR(200) NOT NULL, 
	is_lead BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	removed_at BIGINT, 
	CONSTRAINT pk_booking_holders PRIMARY KEY (holder_id), 
	CONSTRAINT fk_booking_holders_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
CREATE TABLE "bookings" (
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
	town VARCHAR(32) NOT NULL, 
	held_from BIGINT NOT NULL, 
	held_to BIGINT NOT NULL, 
	hold_until BIGINT, 
	version BIGINT DEFAULT 1 NOT NULL, 
	account_id VARCHAR(24), 
	group_id VARCHAR(24), 
	channel VARCHAR(10) DEFAULT 'machine' NOT NULL, 
	booked_by VARCHAR(80) DEFAULT '' NOT NULL, 
	booker_name VARCHAR(200) DEFAULT '' NOT NULL, 
	purpose VARCHAR(300) DEFAULT '' NOT NULL, 
	people BIGINT, 
	category VARCHAR(12) DEFAULT 'resident' NOT NULL, 
	fee_yen BIGINT DEFAULT 0 NOT NULL, 
	full_fee_yen BIGINT DEFAULT 0 NOT NULL, 
	reduction_percent BIGINT DEFAULT 0 NOT NULL, 
	paid_yen BIGINT DEFAULT 0 NOT NULL, 
	refund_due_yen BIGINT DEFAULT 0 NOT NULL, 
	refunded_yen BIGINT DEFAULT 0 NOT NULL, 
	payment_method VARCHAR(10) DEFAULT 'free' NOT NULL, 
	payment_state VARCHAR(12) DEFAULT 'settled' NOT NULL, 
	pay_later BOOLEAN DEFAULT 0 NOT NULL, 
	reasons VARCHAR(300) DEFAULT '' NOT NULL, 
	decided_by VARCHAR(80) DEFAULT '' NOT NULL, 
	decided_at BIGINT, 
	decision_note VARCHAR(300) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_bookings PRIMARY KEY (booking_id), 
	CONSTRAINT ck_bookings_ends_after_start CHECK (ends_at > starts_at), 
	CONSTRAINT ck_bookings_known_status CHECK (status IN ('held', 'pending', 'confirmed', 'cancelled', 'declined', 'expired')), 
	CONSTRAINT ck_bookings_has_room CHECK (room_id IS NOT NULL OR status NOT IN ('held', 'pending', 'confirmed')), 
	CONSTRAINT ck_bookings_held_span CHECK (held_from <= starts_at AND held_to >= ends_at), 
	CONSTRAINT ck_bookings_held_not_for_ever CHECK (status NOT IN ('held', 'pending', 'confirmed') OR held_to - held_from <= 2851200), 
	CONSTRAINT ck_bookings_hold_ends CHECK (status <> 'held' OR hold_until IS NOT NULL), 
	CONSTRAINT ck_bookings_known_payment CHECK (payment_state IN ('settled', 'exempt', 'external', 'counter', 'invoice', 'pending', 'refund_due', 'refunded', 'void')), 
	CONSTRAINT ck_bookings_known_method CHECK (payment_method IN ('free', 'exempt', 'external', 'counter', 'invoice', 'hosted')), 
	CONSTRAINT ck_bookings_money CHECK (fee_yen >= 0 AND refund_due_yen >= 0 AND refunded_yen >= 0 AND refund_due_yen + refunded_yen <= paid_yen), 
	CONSTRAINT uq_bookings_town UNIQUE (town, uid, recurrence_id), 
	CONSTRAINT fk_bookings_town FOREIGN KEY(town, room_id) REFERENCES rooms (town, room_id)
);
INSERT INTO "bookings" VALUES('ij77k4dn3giu6wod','room-1','山田 花子','hanako@example.jp',1796432400,1796436000,'confirmed','ij77k4dn3giu6wod@kannuki','',0,1796432100,1796432100,1796432100,'misaki',1796432400,1796436000,NULL,2,NULL,NULL,'machine','','','',NULL,'resident',0,0,0,0,0,0,'free','settled',0,'','',NULL,'');
INSERT INTO "bookings" VALUES('cwcqgvhbs2man72w','room-1','山田 花子','hanako@example.jp',1796439600,1796446800,'confirmed','cwcqgvhbs2man72w@kannuki','',0,1796432100,1796432100,1796432100,'misaki',1796439600,1796446800,NULL,3,NULL,NULL,'machine','','','',NULL,'resident',0,0,0,0,0,0,'free','settled',0,'','',NULL,'');
INSERT INTO "bookings" VALUES('q4mc45gxpqrrqncf','room-1','山田 花子','hanako@example.jp',1796446800,1796450400,'cancelled','q4mc45gxpqrrqncf@kannuki','',0,1796432100,1796432100,1796432100,'misaki',1796446800,1796450400,NULL,3,NULL,NULL,'machine','','','',NULL,'resident',0,0,0,0,0,0,'free','void',0,'','',NULL,'');
INSERT INTO "bookings" VALUES('i2f5hvg4kiafxvp5','room-1','山田 花子','jiro@example.jp',1796461200,1796464800,'confirmed','i2f5hvg4kiafxvp5@kannuki','',0,1796432100,1796432100,1796432100,'misaki',1796461200,1796464800,NULL,2,NULL,NULL,'machine','','','',NULL,'resident',0,0,0,0,0,0,'free','settled',0,'','',NULL,'');
CREATE TABLE "calendar_series" (
	uid VARCHAR(255) NOT NULL, 
	sequence BIGINT NOT NULL, 
	dtstamp BIGINT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_calendar_series PRIMARY KEY (town, uid)
);
CREATE TABLE closed_days (
	town VARCHAR(32) NOT NULL, 
	facility_id VARCHAR(32) NOT NULL, 
	room_id VARCHAR(32) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_closed_days PRIMARY KEY (town, facility_id, room_id, day), 
	CONSTRAINT fk_closed_days_town FOREIGN KEY(town, facility_id) REFERENCES facilities (town, facility_id)
);
CREATE TABLE "credentials" (
	cti BLOB NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	lock_id VARCHAR(8) NOT NULL, 
	raw_token BLOB NOT NULL, 
	not_before BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	issued_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	town VARCHAR(32) NOT NULL, 
	holder_id VARCHAR(24) NOT NULL, 
	listed_version BIGINT, 
	CONSTRAINT pk_credentials PRIMARY KEY (cti), 
	CONSTRAINT fk_credentials_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id), 
	CONSTRAINT fk_credentials_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
INSERT INTO "credentials" VALUES(X'B65B580AC4D8AB68','cwcqgvhbs2man72w','aaaaaaaa',X'D28449A2013204444A26AD34A05836A703686161616161616161041A6B138E98051A6B137BD8061A6B1360E40748B65B580AC4D8AB6808A10341010948818264646F6F72075840BE213392652DB03949BFB47DF9A415862DCC94552169B335DDA3BC83A1F3916E6A8F1AE551FAF98F79BDA7038FDD6EC2625BFF7022034A28039D869FF678490E',1796439000,1796443800,1796432100,1796432100,'misaki','',1);
INSERT INTO "credentials" VALUES(X'9FF1792545334824','ij77k4dn3giu6wod','aaaaaaaa',X'D28449A2013204444A26AD34A05836A703686161616161616161041A6B137278051A6B135FB8061A6B1360E407489FF179254533482408A10341010948818264646F6F72075840EED7A92CE30888FF1D64E8F3140C13D08814200F16CAA97E964CF8A1854B030D8F154F12AC173200780D24B4FA5D8B14073B7D324BF3C20E08992D0FE6343C06',1796431800,1796436600,1796432100,NULL,'misaki','',NULL);
INSERT INTO "credentials" VALUES(X'2FF64ED8C2B26859','q4mc45gxpqrrqncf','aaaaaaaa',X'D28449A2013204444A26AD34A05836A703686161616161616161041A6B13AAB8051A6B1397F8061A6B1360E407482FF64ED8C2B2685908A10341010948818264646F6F72075840901F62A0F4107A41974D5482F7F6F30F194E2CA23904EEE9B1F6E666C4A78BE0EC4970B3737F8D0D41848A241BB52DE4CAC3ECED8F445B8459CE772FCB3D3A05',1796446200,1796451000,1796432100,1796432100,'misaki','',1);
INSERT INTO "credentials" VALUES(X'78704558F333623C','cwcqgvhbs2man72w','aaaaaaaa',X'D28449A2013204444A26AD34A05836A703686161616161616161041A6B139CA8051A6B137BD8061A6B1360E4074878704558F333623C08A10341010948818264646F6F72075840CBB1B5281472D9FEB798E6F194B319BDCB6A70941CC8A360A2E6EDC4593AA7DF9EB6A198163B180444F0D8E8CB0E0FF759F4AF1744904101CD47DFBD5304B20D',1796439000,1796447400,1796432100,NULL,'misaki','',NULL);
INSERT INTO "credentials" VALUES(X'111911B64749EAEA','i2f5hvg4kiafxvp5','aaaaaaaa',X'D28449A2013204444A26AD34A05836A703686161616161616161041A6B13E2F8051A6B13D038061A6B1360E40748111911B64749EAEA08A10341010948818264646F6F72075840E6CD0B964915784A04794A91E042B345654089B25B815F2B326C339D5CC4DE2D309E295A34DA3A851CB67A0E181B3FFCB75450DEFBC7B91B0B4BF297A0B64F09',1796460600,1796465400,1796432100,NULL,'misaki','',NULL);
CREATE TABLE "document_outbox" (
	lock_id VARCHAR(8) NOT NULL, 
	what VARCHAR(10) NOT NULL, 
	version BIGINT NOT NULL, 
	document BLOB NOT NULL, 
	acknowledged_version BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_document_outbox PRIMARY KEY (lock_id, what), 
	CONSTRAINT fk_document_outbox_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
CREATE TABLE facilities (
	town VARCHAR(32) NOT NULL, 
	facility_id VARCHAR(32) NOT NULL, 
	names TEXT NOT NULL, 
	address VARCHAR(300) NOT NULL, 
	find TEXT NOT NULL, 
	phone VARCHAR(40) NOT NULL, 
	assurance VARCHAR(8) NOT NULL, 
	active BOOLEAN DEFAULT 1 NOT NULL, 
	policy TEXT, 
	policy_version BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_facilities PRIMARY KEY (town, facility_id)
);
INSERT INTO "facilities" VALUES('misaki','main','{"ja": "町の施設", "ja-simple": "まちの しせつ", "en": "Town rooms"}','','{}','','none',1,NULL,0,0,0);
CREATE TABLE "gateways" (
	gateway_id VARCHAR(32) NOT NULL, 
	online BOOLEAN NOT NULL, 
	version VARCHAR(40) NOT NULL, 
	started_at BIGINT NOT NULL, 
	waiting_events BIGINT NOT NULL, 
	heard_at BIGINT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_gateways PRIMARY KEY (town, gateway_id)
);
INSERT INTO "gateways" VALUES('gw-1',1,'1',1796432100,0,1796432100,'misaki');
CREATE TABLE group_evidence (
	town VARCHAR(32) NOT NULL, 
	evidence_id VARCHAR(24) NOT NULL, 
	group_id VARCHAR(24) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	shown VARCHAR(300) NOT NULL, 
	reduction_percent BIGINT, 
	checked_by VARCHAR(80) NOT NULL, 
	checked_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	withdrawn_at BIGINT, 
	CONSTRAINT pk_group_evidence PRIMARY KEY (evidence_id), 
	CONSTRAINT fk_group_evidence_group FOREIGN KEY(group_id) REFERENCES groups (group_id)
);
CREATE TABLE group_members (
	town VARCHAR(32) NOT NULL, 
	group_id VARCHAR(24) NOT NULL, 
	account_id VARCHAR(24) NOT NULL, 
	added_at BIGINT NOT NULL, 
	CONSTRAINT pk_group_members PRIMARY KEY (group_id, account_id), 
	CONSTRAINT fk_group_members_group FOREIGN KEY(group_id) REFERENCES groups (group_id)
);
CREATE TABLE groups (
	town VARCHAR(32) NOT NULL, 
	group_id VARCHAR(24) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	contact VARCHAR(200) NOT NULL, 
	may_be_invoiced BOOLEAN NOT NULL, 
	active BOOLEAN NOT NULL, 
	version BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_groups PRIMARY KEY (group_id), 
	CONSTRAINT uq_groups_town UNIQUE (town, name)
);
CREATE TABLE issued_pins (
	town VARCHAR(32) NOT NULL, 
	lock_id VARCHAR(8) NOT NULL, 
	starts_at BIGINT NOT NULL, 
	quarters BIGINT NOT NULL, 
	serial BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	holder_id VARCHAR(24) NOT NULL, 
	name BLOB NOT NULL, 
	vault_epoch BIGINT NOT NULL, 
	issued_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	listed_version BIGINT, 
	CONSTRAINT pk_issued_pins PRIMARY KEY (lock_id, starts_at, quarters, serial), 
	CONSTRAINT fk_issued_pins_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id), 
	CONSTRAINT fk_issued_pins_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
INSERT INTO "issued_pins" VALUES('misaki','aaaaaaaa',1796438700,10,0,1796447700,'cwcqgvhbs2man72w','',X'9477926229498051',1,1796432100,NULL,NULL);
CREATE TABLE key_deliveries (
	town VARCHAR(32) NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	holder_id VARCHAR(24) NOT NULL, 
	turn BIGINT NOT NULL, 
	why VARCHAR(12) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	attempts BIGINT NOT NULL, 
	asked_at BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	sent_at BIGINT, 
	link_sha256 BLOB, 
	CONSTRAINT pk_key_deliveries PRIMARY KEY (booking_id, holder_id), 
	CONSTRAINT fk_key_deliveries_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
INSERT INTO "key_deliveries" VALUES('misaki','cwcqgvhbs2man72w','',1,'confirmed','sent',1,1796432100,1796432220,1796432100,X'25FC986AE92D08DB304FD4DECBFFCCDBA0628E04D32DD7E4A18A5DA3A07C1FA0');
INSERT INTO "key_deliveries" VALUES('misaki','ij77k4dn3giu6wod','',1,'confirmed','sent',1,1796432100,1796432220,1796432100,X'A8089E02600E0C744089887598BC57BD950FED1E4E64F76BD4F1E0968869B53A');
INSERT INTO "key_deliveries" VALUES('misaki','q4mc45gxpqrrqncf','',1,'confirmed','sent',1,1796432100,1796432220,1796432100,X'63719DB9CDCF36D387518EF2F1F4ABB78923FE17F2E6F703E5F96A17F330B27E');
INSERT INTO "key_deliveries" VALUES('misaki','i2f5hvg4kiafxvp5','',1,'confirmed','waiting',1,1796432100,1796432220,NULL,X'6E431DAECDD0CA7A4C6D6242B99843B13406B07E543DF151E4F8770E7314A78B');
CREATE TABLE "key_links" (
	secret_sha256 BLOB NOT NULL, 
	ticket_sha256 BLOB, 
	booking_id VARCHAR(24) NOT NULL, 
	device_key BLOB, 
	created_at BIGINT NOT NULL, 
	claimed_at BIGINT, 
	replaced_at BIGINT, 
	town VARCHAR(32) NOT NULL, 
	holder_id VARCHAR(24) NOT NULL, 
	closes_at BIGINT, 
	ended_as VARCHAR(12), 
	CONSTRAINT pk_key_links PRIMARY KEY (secret_sha256), 
	CONSTRAINT uq_key_links_ticket_sha256 UNIQUE (ticket_sha256), 
	CONSTRAINT fk_key_links_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
INSERT INTO "key_links" VALUES(X'25FC986AE92D08DB304FD4DECBFFCCDBA0628E04D32DD7E4A18A5DA3A07C1FA0',X'2C6961A69FB99EB7B890354F26F11D2FF376FA8477D0642F82C242D6EBEB7A58','cwcqgvhbs2man72w',X'0492595072E8BDD7B574A227FD8CD21271A1D72F6A6E4139BBED65DA0D255A7ADEB8D4C874718595DD57A06FAD370CBB32087D1D95D18D2FF3B5E2322D83364FC1',1796432100,1796432100,NULL,'misaki','',NULL,NULL);
INSERT INTO "key_links" VALUES(X'A8089E02600E0C744089887598BC57BD950FED1E4E64F76BD4F1E0968869B53A',NULL,'ij77k4dn3giu6wod',NULL,1796432100,NULL,NULL,'misaki','',NULL,NULL);
INSERT INTO "key_links" VALUES(X'63719DB9CDCF36D387518EF2F1F4ABB78923FE17F2E6F703E5F96A17F330B27E',NULL,'q4mc45gxpqrrqncf',NULL,1796432100,NULL,NULL,'misaki','',NULL,NULL);
INSERT INTO "key_links" VALUES(X'6E431DAECDD0CA7A4C6D6242B99843B13406B07E543DF151E4F8770E7314A78B',NULL,'i2f5hvg4kiafxvp5',NULL,1796432100,NULL,NULL,'misaki','',NULL,NULL);
CREATE TABLE key_work (
	town VARCHAR(32) NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	wanted BIGINT NOT NULL, 
	done BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	CONSTRAINT pk_key_work PRIMARY KEY (booking_id), 
	CONSTRAINT fk_key_work_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
INSERT INTO "key_work" VALUES('misaki','ij77k4dn3giu6wod',1,1,0,1796432100);
INSERT INTO "key_work" VALUES('misaki','cwcqgvhbs2man72w',2,2,0,1796432100);
INSERT INTO "key_work" VALUES('misaki','q4mc45gxpqrrqncf',2,2,0,1796432100);
INSERT INTO "key_work" VALUES('misaki','i2f5hvg4kiafxvp5',1,1,0,1796432100);
CREATE TABLE lock_reach (
	town VARCHAR(32) NOT NULL, 
	lock_id VARCHAR(8) NOT NULL, 
	gateway_id VARCHAR(32) NOT NULL, 
	reached_at BIGINT NOT NULL, 
	lost_at BIGINT, 
	CONSTRAINT pk_lock_reach PRIMARY KEY (lock_id, gateway_id), 
	CONSTRAINT fk_lock_reach_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "lock_reach" VALUES('misaki','aaaaaaaa','gw-1',1796432100,NULL);
CREATE TABLE "lock_reports" (
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
	keyset_version BIGINT DEFAULT 0 NOT NULL, 
	config_version BIGINT DEFAULT 0 NOT NULL, 
	acked_seq BIGINT DEFAULT 0 NOT NULL, 
	keypad VARCHAR(10) DEFAULT 'unknown' NOT NULL, 
	held_open BOOLEAN DEFAULT 0 NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	lost_records BIGINT DEFAULT 0 NOT NULL, 
	battery BIGINT, 
	firmware VARCHAR(20) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_lock_reports PRIMARY KEY (lock_id), 
	CONSTRAINT fk_lock_reports_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "lock_reports" VALUES('aaaaaaaa','gw-1',1,1796432100,'unknown','unknown',0,0,0,NULL,1796432100,0,0,0,'unknown',0,'misaki',1,15,'0.1.0');
CREATE TABLE "lock_settings" (
	lock_id VARCHAR(8) NOT NULL, 
	version BIGINT NOT NULL, 
	groups TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	document BLOB NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_lock_settings PRIMARY KEY (lock_id), 
	CONSTRAINT fk_lock_settings_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
CREATE TABLE "locks" (
	lock_id VARCHAR(8) NOT NULL, 
	room_id VARCHAR(32), 
	public_key BLOB NOT NULL, 
	journal_epoch BIGINT NOT NULL, 
	enrolled_at BIGINT NOT NULL, 
	signing_key BLOB, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_locks PRIMARY KEY (lock_id), 
	CONSTRAINT uq_locks_town UNIQUE (town, room_id), 
	CONSTRAINT fk_locks_town FOREIGN KEY(town, room_id) REFERENCES rooms (town, room_id)
);
INSERT INTO "locks" VALUES('aaaaaaaa','room-1',X'BD657D8991346C96E2352FB6257A4D8B7A3D20CB4FB90CA6471533AC41FCCA5C',1,1796432400,X'578ABC73E3619CDCF70EBDC667850B333D2F9B388F4392C1D9AD70B0A0D6FAF6','misaki');
INSERT INTO "locks" VALUES('bbbbbbbb','room-2',X'D41A87752AA9A14E1EE3285CDB74F53EE25A81D93CE408D97C90551C44FCAF41',1,1796432400,X'66A51E8724CCC7DAB880D4633F342F51D147C5B2FC06173252A9F666EE25F17E','misaki');
INSERT INTO "locks" VALUES('cccccccc','room-3',X'E09F3D9C332BD5AF1531CD43B093FA806FEB6EE4D2927DE1E72C22C6EC46F943',1,1796432400,X'07EFE6BD0A3931F57AAD531E60F4BC9C686128BAAF5DC5EF76144EBAC4943AAA','misaki');
CREATE TABLE "min_issued_at" (
	kid BLOB NOT NULL, 
	audience VARCHAR(9) NOT NULL, 
	least BIGINT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_min_issued_at PRIMARY KEY (kid, audience)
);
CREATE TABLE passkey_challenges (
	town VARCHAR(32) NOT NULL, 
	challenge_sha256 BLOB NOT NULL, 
	staff_id VARCHAR(24), 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_passkey_challenges PRIMARY KEY (challenge_sha256), 
	CONSTRAINT fk_passkey_challenges_staff_id FOREIGN KEY(staff_id) REFERENCES staff (staff_id)
);
CREATE TABLE passkeys (
	town VARCHAR(32) NOT NULL, 
	passkey_id VARCHAR(24) NOT NULL, 
	staff_id VARCHAR(24) NOT NULL, 
	credential_sha256 BLOB NOT NULL, 
	credential_id BLOB NOT NULL, 
	public_key BLOB NOT NULL, 
	sign_count BIGINT NOT NULL, 
	backed_up BOOLEAN NOT NULL, 
	label VARCHAR(60) NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_used_at BIGINT, 
	CONSTRAINT pk_passkeys PRIMARY KEY (passkey_id), 
	CONSTRAINT uq_passkeys_town UNIQUE (town, credential_sha256), 
	CONSTRAINT fk_passkeys_staff_id FOREIGN KEY(staff_id) REFERENCES staff (staff_id)
);
CREATE TABLE payment_entries (
	town VARCHAR(32) NOT NULL, 
	entry_id VARCHAR(24) NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	yen BIGINT NOT NULL, 
	method VARCHAR(10) NOT NULL, 
	taken_by VARCHAR(80) NOT NULL, 
	taken_at BIGINT NOT NULL, 
	note VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_payment_entries PRIMARY KEY (entry_id), 
	CONSTRAINT fk_payment_entries_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id), 
	CONSTRAINT ck_payment_entries_some_yen CHECK (yen > 0), 
	CONSTRAINT ck_payment_entries_known_kind CHECK (kind IN ('paid', 'refunded'))
);
CREATE TABLE payment_events (
	town VARCHAR(32) NOT NULL, 
	event_id VARCHAR(64) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	reference VARCHAR(24) NOT NULL, 
	received_at BIGINT NOT NULL, 
	CONSTRAINT pk_payment_events PRIMARY KEY (town, event_id)
);
CREATE TABLE payment_orders (
	town VARCHAR(32) NOT NULL, 
	reference VARCHAR(24) NOT NULL, 
	booking_id VARCHAR(24) NOT NULL, 
	yen BIGINT NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_payment_orders PRIMARY KEY (reference), 
	CONSTRAINT fk_payment_orders_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id), 
	CONSTRAINT ck_payment_orders_some_yen CHECK (yen > 0)
);
CREATE TABLE "rooms" (
	room_id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	facility_id VARCHAR(32) DEFAULT 'main' NOT NULL, 
	names TEXT DEFAULT '{}' NOT NULL, 
	find TEXT DEFAULT '{}' NOT NULL, 
	capacity BIGINT, 
	active BOOLEAN DEFAULT 1 NOT NULL, 
	CONSTRAINT pk_rooms PRIMARY KEY (town, room_id), 
	CONSTRAINT uq_rooms_town UNIQUE (town, name), 
	CONSTRAINT fk_rooms_town FOREIGN KEY(town, facility_id) REFERENCES facilities (town, facility_id)
);
INSERT INTO "rooms" VALUES('room-1','第1会議室','misaki','main','{}','{}',NULL,1);
INSERT INTO "rooms" VALUES('room-2','和室','misaki','main','{}','{}',NULL,1);
INSERT INTO "rooms" VALUES('room-3','音楽室','misaki','main','{}','{}',NULL,1);
CREATE TABLE "seen_heads" (
	lock_id VARCHAR(8) NOT NULL, 
	journal_epoch BIGINT NOT NULL, 
	seq BIGINT NOT NULL, 
	record_hash BLOB NOT NULL, 
	source VARCHAR(8) NOT NULL, 
	seen_at BIGINT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_seen_heads PRIMARY KEY (lock_id, journal_epoch, seq, record_hash), 
	CONSTRAINT fk_seen_heads_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
CREATE TABLE "settings" (
	name VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (town, name)
);
INSERT INTO "settings" VALUES('keyset','b7b017351b836ab129782e666619c4203864de2a606fc07a5a0ef6f13075e646','misaki');
CREATE TABLE sign_in_attempts (
	town VARCHAR(32) NOT NULL, 
	number_sha256 BLOB NOT NULL, 
	browser_sha256 BLOB NOT NULL, 
	provider VARCHAR(31) NOT NULL, 
	return_to VARCHAR(512) NOT NULL, 
	link_to VARCHAR(24), 
	started_at BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_attempts PRIMARY KEY (number_sha256)
);
CREATE TABLE staff (
	town VARCHAR(32) NOT NULL, 
	staff_id VARCHAR(24) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	user_handle BLOB NOT NULL, 
	created_at BIGINT NOT NULL, 
	suspended_at BIGINT, 
	CONSTRAINT pk_staff PRIMARY KEY (staff_id), 
	CONSTRAINT uq_staff_user_handle UNIQUE (user_handle)
);
CREATE TABLE staff_grants (
	town VARCHAR(32) NOT NULL, 
	staff_id VARCHAR(24) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	facility_id VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_staff_grants PRIMARY KEY (staff_id, role, facility_id), 
	CONSTRAINT fk_staff_grants_staff_id FOREIGN KEY(staff_id) REFERENCES staff (staff_id)
);
CREATE TABLE staff_invites (
	town VARCHAR(32) NOT NULL, 
	secret_sha256 BLOB NOT NULL, 
	staff_id VARCHAR(24) NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_staff_invites PRIMARY KEY (secret_sha256), 
	CONSTRAINT fk_staff_invites_staff_id FOREIGN KEY(staff_id) REFERENCES staff (staff_id)
);
CREATE TABLE staff_keys (
	town VARCHAR(32) NOT NULL, 
	cti BLOB NOT NULL, 
	staff_id VARCHAR(40) NOT NULL, 
	staff_name VARCHAR(200) NOT NULL, 
	lock_id VARCHAR(8) NOT NULL, 
	booking_id VARCHAR(24), 
	reason VARCHAR(300) NOT NULL, 
	raw_token BLOB NOT NULL, 
	ticket_sha256 BLOB NOT NULL, 
	not_before BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	issued_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	listed_version BIGINT, 
	CONSTRAINT pk_staff_keys PRIMARY KEY (cti), 
	CONSTRAINT uq_staff_keys_ticket_sha256 UNIQUE (ticket_sha256), 
	CONSTRAINT fk_staff_keys_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id), 
	CONSTRAINT fk_staff_keys_booking_id FOREIGN KEY(booking_id) REFERENCES bookings (booking_id)
);
CREATE TABLE "status_history" (
	lock_id VARCHAR(8) NOT NULL, 
	version BIGINT NOT NULL, 
	entries BLOB NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_status_history PRIMARY KEY (lock_id, version), 
	CONSTRAINT fk_status_history_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "status_history" VALUES('aaaaaaaa',1,X'2FF64ED8C2B29D47B65B580AC4D89D45','misaki');
CREATE TABLE "status_outbox" (
	lock_id VARCHAR(8) NOT NULL, 
	version BIGINT NOT NULL, 
	document BLOB NOT NULL, 
	acknowledged_version BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	entries BLOB DEFAULT ('') NOT NULL, 
	town VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_status_outbox PRIMARY KEY (lock_id), 
	CONSTRAINT fk_status_outbox_lock_id FOREIGN KEY(lock_id) REFERENCES locks (lock_id)
);
INSERT INTO "status_outbox" VALUES('aaaaaaaa',1,X'D28449A2013204443838BE7FA0583987686161616161616161011A6B1360E41A00079C9880025820E2F3143F4C5B7997ADF2880F3F6F6E9CBD61845E57E37FB341CA00A37FBCE4A95840F732923D8DD6A87BD2CC2FC3AEEDB5E7DAE32CF92049138DF9493AFD2098B884A3443182A53A8F1B870C743D8AB837751262602715CCA5F7EDD9189F9F436104',0,0,1796432100,X'2FF64ED8C2B29D47B65B580AC4D89D45','misaki');
CREATE TABLE tokens_ahead (
	town VARCHAR(32) NOT NULL, 
	cti BLOB NOT NULL, 
	attempts BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	taken_at BIGINT, 
	CONSTRAINT pk_tokens_ahead PRIMARY KEY (cti), 
	CONSTRAINT fk_tokens_ahead_cti FOREIGN KEY(cti) REFERENCES credentials (cti)
);
INSERT INTO "tokens_ahead" VALUES('misaki',X'9FF1792545334824',1,1796431560,NULL);
CREATE TABLE towns (
	town VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_towns PRIMARY KEY (town)
);
INSERT INTO "towns" VALUES('misaki','',0);
CREATE TABLE web_sessions (
	town VARCHAR(32) NOT NULL, 
	cookie_sha256 BLOB NOT NULL, 
	session_id VARCHAR(24) NOT NULL, 
	account_id VARCHAR(24), 
	staff_id VARCHAR(24), 
	device VARCHAR(60) NOT NULL, 
	started_at BIGINT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	CONSTRAINT pk_web_sessions PRIMARY KEY (cookie_sha256), 
	CONSTRAINT ck_web_sessions_ck_web_sessions_one_owner CHECK ((account_id IS NULL) <> (staff_id IS NULL)), 
	CONSTRAINT uq_web_sessions_session_id UNIQUE (session_id), 
	CONSTRAINT fk_web_sessions_account_id FOREIGN KEY(account_id) REFERENCES accounts (account_id), 
	CONSTRAINT fk_web_sessions_staff_id FOREIGN KEY(staff_id) REFERENCES staff (staff_id)
);
CREATE INDEX ix_audit_records_subject ON audit_records (subject);
CREATE INDEX ix_bookings_room_time ON bookings (town, room_id, starts_at);
CREATE INDEX ix_bookings_held ON bookings (town, room_id, held_from);
CREATE INDEX ix_bookings_starts_at ON bookings (town, starts_at);
CREATE INDEX ix_bookings_account_id ON bookings (town, account_id);
CREATE INDEX ix_bookings_group_id ON bookings (town, group_id);
CREATE INDEX ix_booking_holders_booking_id ON booking_holders (booking_id);
CREATE INDEX ix_group_evidence_group_id ON group_evidence (group_id);
CREATE INDEX ix_group_members_account_id ON group_members (town, account_id);
CREATE INDEX ix_payment_orders_booking_id ON payment_orders (booking_id);
CREATE INDEX ix_payment_entries_booking_id ON payment_entries (booking_id);
CREATE TRIGGER bookings_no_overlap_INSERT BEFORE INSERT ON bookings
WHEN NEW.status IN ('held', 'pending', 'confirmed')
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE town = NEW.town AND room_id = NEW.room_id AND status IN ('held', 'pending', 'confirmed')
      AND booking_id <> NEW.booking_id
      AND held_from < NEW.held_to AND held_from > NEW.held_from - 2851200
      AND held_to > NEW.held_from
  );
END;
CREATE TRIGGER bookings_no_overlap_UPDATE BEFORE UPDATE ON bookings
WHEN NEW.status IN ('held', 'pending', 'confirmed')
BEGIN
  SELECT RAISE(ABORT, 'bookings_no_overlap') WHERE EXISTS (
    SELECT 1 FROM bookings
    WHERE town = NEW.town AND room_id = NEW.room_id AND status IN ('held', 'pending', 'confirmed')
      AND booking_id <> NEW.booking_id
      AND held_from < NEW.held_to AND held_from > NEW.held_from - 2851200
      AND held_to > NEW.held_from
  );
END;
CREATE INDEX ix_sign_in_attempts_started_at ON sign_in_attempts (started_at);
CREATE INDEX ix_staff_invites_staff_id ON staff_invites (staff_id);
CREATE INDEX ix_passkeys_staff_id ON passkeys (staff_id);
CREATE INDEX ix_passkey_challenges_created_at ON passkey_challenges (created_at);
CREATE INDEX ix_web_sessions_account_id ON web_sessions (account_id);
CREATE INDEX ix_web_sessions_staff_id ON web_sessions (staff_id);
CREATE TRIGGER actions_no_UPDATE BEFORE UPDATE ON actions
BEGIN
  SELECT RAISE(ABORT, 'actions_append_only');
END;
CREATE TRIGGER actions_no_DELETE BEFORE DELETE ON actions
BEGIN
  SELECT RAISE(ABORT, 'actions_append_only');
END;
CREATE INDEX ix_credentials_booking_id ON credentials (booking_id);
CREATE INDEX ix_credentials_lock_id ON credentials (lock_id);
CREATE UNIQUE INDEX uq_credentials_live ON credentials (town, booking_id, holder_id) WHERE revoked_at IS NULL;
CREATE INDEX ix_key_links_booking_id ON key_links (booking_id);
CREATE INDEX ix_key_work_due ON key_work (town, next_attempt_at) WHERE done < wanted;
CREATE INDEX ix_issued_pins_booking_id ON issued_pins (booking_id);
CREATE INDEX ix_issued_pins_name ON issued_pins (name);
CREATE INDEX ix_staff_keys_staff_id ON staff_keys (staff_id);
CREATE INDEX ix_staff_keys_lock_id ON staff_keys (lock_id);
CREATE INDEX ix_audit_records_received ON audit_records (town, received_at);
CREATE INDEX ix_credentials_begins ON credentials (town, not_before);
COMMIT;

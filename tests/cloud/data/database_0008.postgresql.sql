SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
COMMENT ON EXTENSION btree_gist IS 'support for indexing common datatypes in GiST';
CREATE FUNCTION public.actions_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'actions_append_only';
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.account_facts (
    town character varying(32) NOT NULL,
    account_id character varying(24) NOT NULL,
    provider character varying(31) NOT NULL,
    level character varying(8) NOT NULL,
    resident boolean,
    adult boolean,
    verified_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.account_links (
    town character varying(32) NOT NULL,
    subject_hash bytea NOT NULL,
    account_id character varying(24) NOT NULL,
    provider character varying(31) NOT NULL,
    linked_at bigint NOT NULL,
    last_used_at bigint NOT NULL
);
CREATE TABLE public.accounts (
    town character varying(32) NOT NULL,
    account_id character varying(24) NOT NULL,
    name character varying(100) NOT NULL,
    name_from character varying(31) NOT NULL,
    consent_version bigint NOT NULL,
    consented_at bigint NOT NULL,
    created_at bigint NOT NULL,
    last_sign_in_at bigint NOT NULL
);
CREATE TABLE public.actions (
    town character varying(32) NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    principal_id character varying(24) NOT NULL,
    action character varying(40) NOT NULL,
    object_id character varying(64) NOT NULL,
    detail text NOT NULL,
    row_hash bytea NOT NULL
);
CREATE TABLE public.alarm_marks (
    town character varying(32) NOT NULL,
    alarm_id character varying(24) NOT NULL,
    seen_at bigint NOT NULL,
    seen_by character varying(100) NOT NULL,
    seen_times bigint NOT NULL,
    handled_at bigint,
    handled_by character varying(100),
    handled_times bigint,
    note character varying(300) NOT NULL
);
CREATE TABLE public.alarms (
    alarm_id character varying(24) NOT NULL,
    kind character varying(40) NOT NULL,
    device character varying(32) NOT NULL,
    detail character varying(300) NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    times bigint NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.audit_records (
    lock_id character varying(8) NOT NULL,
    journal_epoch bigint NOT NULL,
    seq bigint NOT NULL,
    raw bytea NOT NULL,
    time_lo bigint,
    time_hi bigint,
    event bigint NOT NULL,
    code bigint NOT NULL,
    source bigint NOT NULL,
    subject bytea,
    received_at bigint NOT NULL,
    value bigint,
    town character varying(32) NOT NULL
);
CREATE TABLE public.booking_holders (
    town character varying(32) NOT NULL,
    holder_id character varying(24) NOT NULL,
    booking_id character varying(24) NOT NULL,
    name character varying(200) NOT NULL,
    contact character varying(200) NOT NULL,
    is_lead boolean NOT NULL,
    created_at bigint NOT NULL,
    removed_at bigint
);
CREATE TABLE public.bookings (
    booking_id character varying(24) NOT NULL,
    room_id character varying(32),
    holder_name character varying(200) NOT NULL,
    holder_contact character varying(200) NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    status character varying(10) NOT NULL,
    uid character varying(255) NOT NULL,
    recurrence_id character varying(16) NOT NULL,
    sequence bigint NOT NULL,
    dtstamp bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    town character varying(32) NOT NULL,
    held_from bigint NOT NULL,
    held_to bigint NOT NULL,
    hold_until bigint,
    version bigint DEFAULT 1 NOT NULL,
    account_id character varying(24),
    group_id character varying(24),
    channel character varying(10) DEFAULT 'machine'::character varying NOT NULL,
    booked_by character varying(80) DEFAULT ''::character varying NOT NULL,
    booker_name character varying(200) DEFAULT ''::character varying NOT NULL,
    purpose character varying(300) DEFAULT ''::character varying NOT NULL,
    people bigint,
    category character varying(12) DEFAULT 'resident'::character varying NOT NULL,
    fee_yen bigint DEFAULT 0 NOT NULL,
    full_fee_yen bigint DEFAULT 0 NOT NULL,
    reduction_percent bigint DEFAULT 0 NOT NULL,
    paid_yen bigint DEFAULT 0 NOT NULL,
    refund_due_yen bigint DEFAULT 0 NOT NULL,
    refunded_yen bigint DEFAULT 0 NOT NULL,
    payment_method character varying(10) DEFAULT 'free'::character varying NOT NULL,
    payment_state character varying(12) DEFAULT 'settled'::character varying NOT NULL,
    pay_later boolean DEFAULT false NOT NULL,
    reasons character varying(300) DEFAULT ''::character varying NOT NULL,
    decided_by character varying(80) DEFAULT ''::character varying NOT NULL,
    decided_at bigint,
    decision_note character varying(300) DEFAULT ''::character varying NOT NULL,
    CONSTRAINT ck_bookings_ends_after_start CHECK ((ends_at > starts_at)),
    CONSTRAINT ck_bookings_has_room CHECK (((room_id IS NOT NULL) OR ((status)::text <> ALL ((ARRAY['held'::character varying, 'pending'::character varying, 'confirmed'::character varying])::text[])))),
    CONSTRAINT ck_bookings_held_not_for_ever CHECK ((((status)::text <> ALL ((ARRAY['held'::character varying, 'pending'::character varying, 'confirmed'::character varying])::text[])) OR ((held_to - held_from) <= 2851200))),
    CONSTRAINT ck_bookings_held_span CHECK (((held_from <= starts_at) AND (held_to >= ends_at))),
    CONSTRAINT ck_bookings_hold_ends CHECK ((((status)::text <> 'held'::text) OR (hold_until IS NOT NULL))),
    CONSTRAINT ck_bookings_known_method CHECK (((payment_method)::text = ANY ((ARRAY['free'::character varying, 'exempt'::character varying, 'external'::character varying, 'counter'::character varying, 'invoice'::character varying, 'hosted'::character varying])::text[]))),
    CONSTRAINT ck_bookings_known_payment CHECK (((payment_state)::text = ANY ((ARRAY['settled'::character varying, 'exempt'::character varying, 'external'::character varying, 'counter'::character varying, 'invoice'::character varying, 'pending'::character varying, 'refund_due'::character varying, 'refunded'::character varying, 'void'::character varying])::text[]))),
    CONSTRAINT ck_bookings_known_status CHECK (((status)::text = ANY ((ARRAY['held'::character varying, 'pending'::character varying, 'confirmed'::character varying, 'cancelled'::character varying, 'declined'::character varying, 'expired'::character varying])::text[]))),
    CONSTRAINT ck_bookings_money CHECK (((fee_yen >= 0) AND (refund_due_yen >= 0) AND (refunded_yen >= 0) AND ((refund_due_yen + refunded_yen) <= paid_yen)))
);
CREATE TABLE public.calendar_series (
    uid character varying(255) NOT NULL,
    sequence bigint NOT NULL,
    dtstamp bigint NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.closed_days (
    town character varying(32) NOT NULL,
    facility_id character varying(32) NOT NULL,
    room_id character varying(32) NOT NULL,
    day character varying(10) NOT NULL,
    reason character varying(200) NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.credentials (
    cti bytea NOT NULL,
    booking_id character varying(24) NOT NULL,
    lock_id character varying(8) NOT NULL,
    raw_token bytea NOT NULL,
    not_before bigint NOT NULL,
    expires_at bigint NOT NULL,
    issued_at bigint NOT NULL,
    revoked_at bigint,
    town character varying(32) NOT NULL,
    holder_id character varying(24) NOT NULL,
    listed_version bigint
);
CREATE TABLE public.document_outbox (
    lock_id character varying(8) NOT NULL,
    what character varying(10) NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    acknowledged_version bigint NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.facilities (
    town character varying(32) NOT NULL,
    facility_id character varying(32) NOT NULL,
    names text NOT NULL,
    address character varying(300) NOT NULL,
    find text NOT NULL,
    phone character varying(40) NOT NULL,
    assurance character varying(8) NOT NULL,
    active boolean DEFAULT true NOT NULL,
    policy text,
    policy_version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.gateways (
    gateway_id character varying(32) NOT NULL,
    online boolean NOT NULL,
    version character varying(40) NOT NULL,
    started_at bigint NOT NULL,
    waiting_events bigint NOT NULL,
    heard_at bigint NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.group_evidence (
    town character varying(32) NOT NULL,
    evidence_id character varying(24) NOT NULL,
    group_id character varying(24) NOT NULL,
    kind character varying(40) NOT NULL,
    shown character varying(300) NOT NULL,
    reduction_percent bigint,
    checked_by character varying(80) NOT NULL,
    checked_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    withdrawn_at bigint
);
CREATE TABLE public.group_members (
    town character varying(32) NOT NULL,
    group_id character varying(24) NOT NULL,
    account_id character varying(24) NOT NULL,
    added_at bigint NOT NULL
);
CREATE TABLE public.groups (
    town character varying(32) NOT NULL,
    group_id character varying(24) NOT NULL,
    name character varying(200) NOT NULL,
    kind character varying(32) NOT NULL,
    contact character varying(200) NOT NULL,
    may_be_invoiced boolean NOT NULL,
    active boolean NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE public.issued_pins (
    town character varying(32) NOT NULL,
    lock_id character varying(8) NOT NULL,
    starts_at bigint NOT NULL,
    quarters bigint NOT NULL,
    serial bigint NOT NULL,
    ends_at bigint NOT NULL,
    booking_id character varying(24) NOT NULL,
    holder_id character varying(24) NOT NULL,
    name bytea NOT NULL,
    vault_epoch bigint NOT NULL,
    issued_at bigint NOT NULL,
    revoked_at bigint,
    listed_version bigint
);
CREATE TABLE public.key_deliveries (
    town character varying(32) NOT NULL,
    booking_id character varying(24) NOT NULL,
    holder_id character varying(24) NOT NULL,
    turn bigint NOT NULL,
    why character varying(12) NOT NULL,
    state character varying(8) NOT NULL,
    attempts bigint NOT NULL,
    asked_at bigint NOT NULL,
    next_attempt_at bigint NOT NULL,
    sent_at bigint,
    link_sha256 bytea
);
CREATE TABLE public.key_links (
    secret_sha256 bytea NOT NULL,
    ticket_sha256 bytea,
    booking_id character varying(24) NOT NULL,
    device_key bytea,
    created_at bigint NOT NULL,
    claimed_at bigint,
    replaced_at bigint,
    town character varying(32) NOT NULL,
    holder_id character varying(24) NOT NULL,
    closes_at bigint,
    ended_as character varying(12)
);
CREATE TABLE public.key_work (
    town character varying(32) NOT NULL,
    booking_id character varying(24) NOT NULL,
    wanted bigint NOT NULL,
    done bigint NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint NOT NULL
);
CREATE TABLE public.lock_reach (
    town character varying(32) NOT NULL,
    lock_id character varying(8) NOT NULL,
    gateway_id character varying(32) NOT NULL,
    reached_at bigint NOT NULL,
    lost_at bigint
);
CREATE TABLE public.lock_reports (
    lock_id character varying(8) NOT NULL,
    gateway_id character varying(32),
    reachable boolean NOT NULL,
    seen_at bigint NOT NULL,
    bolt character varying(10) NOT NULL,
    door character varying(10) NOT NULL,
    status_version bigint NOT NULL,
    head_seq bigint NOT NULL,
    time_lo bigint,
    time_hi bigint,
    heard_at bigint NOT NULL,
    keyset_version bigint DEFAULT 0 NOT NULL,
    config_version bigint DEFAULT 0 NOT NULL,
    acked_seq bigint DEFAULT 0 NOT NULL,
    keypad character varying(10) DEFAULT 'unknown'::character varying NOT NULL,
    held_open boolean DEFAULT false NOT NULL,
    town character varying(32) NOT NULL,
    lost_records bigint DEFAULT 0 NOT NULL,
    battery bigint,
    firmware character varying(20) DEFAULT ''::character varying NOT NULL
);
CREATE TABLE public.lock_settings (
    lock_id character varying(8) NOT NULL,
    version bigint NOT NULL,
    groups text NOT NULL,
    figures text NOT NULL,
    document bytea NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.locks (
    lock_id character varying(8) NOT NULL,
    room_id character varying(32),
    public_key bytea NOT NULL,
    journal_epoch bigint NOT NULL,
    enrolled_at bigint NOT NULL,
    signing_key bytea,
    town character varying(32) NOT NULL
);
CREATE TABLE public.min_issued_at (
    kid bytea NOT NULL,
    audience character varying(9) NOT NULL,
    "least" bigint NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.passkey_challenges (
    town character varying(32) NOT NULL,
    challenge_sha256 bytea NOT NULL,
    staff_id character varying(24),
    created_at bigint NOT NULL
);
CREATE TABLE public.passkeys (
    town character varying(32) NOT NULL,
    passkey_id character varying(24) NOT NULL,
    staff_id character varying(24) NOT NULL,
    credential_sha256 bytea NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    backed_up boolean NOT NULL,
    label character varying(60) NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint
);
CREATE TABLE public.payment_entries (
    town character varying(32) NOT NULL,
    entry_id character varying(24) NOT NULL,
    booking_id character varying(24) NOT NULL,
    kind character varying(8) NOT NULL,
    yen bigint NOT NULL,
    method character varying(10) NOT NULL,
    taken_by character varying(80) NOT NULL,
    taken_at bigint NOT NULL,
    note character varying(200) NOT NULL,
    CONSTRAINT ck_payment_entries_known_kind CHECK (((kind)::text = ANY ((ARRAY['paid'::character varying, 'refunded'::character varying])::text[]))),
    CONSTRAINT ck_payment_entries_some_yen CHECK ((yen > 0))
);
CREATE TABLE public.payment_events (
    town character varying(32) NOT NULL,
    event_id character varying(64) NOT NULL,
    kind character varying(32) NOT NULL,
    reference character varying(24) NOT NULL,
    received_at bigint NOT NULL
);
CREATE TABLE public.payment_orders (
    town character varying(32) NOT NULL,
    reference character varying(24) NOT NULL,
    booking_id character varying(24) NOT NULL,
    yen bigint NOT NULL,
    state character varying(8) NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT ck_payment_orders_some_yen CHECK ((yen > 0))
);
CREATE TABLE public.rooms (
    room_id character varying(32) NOT NULL,
    name character varying(200) NOT NULL,
    town character varying(32) NOT NULL,
    facility_id character varying(32) DEFAULT 'main'::character varying NOT NULL,
    names text DEFAULT '{}'::text NOT NULL,
    find text DEFAULT '{}'::text NOT NULL,
    capacity bigint,
    active boolean DEFAULT true NOT NULL
);
CREATE TABLE public.seen_heads (
    lock_id character varying(8) NOT NULL,
    journal_epoch bigint NOT NULL,
    seq bigint NOT NULL,
    record_hash bytea NOT NULL,
    source character varying(8) NOT NULL,
    seen_at bigint NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.settings (
    name character varying(40) NOT NULL,
    value text NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.sign_in_attempts (
    town character varying(32) NOT NULL,
    number_sha256 bytea NOT NULL,
    browser_sha256 bytea NOT NULL,
    provider character varying(31) NOT NULL,
    return_to character varying(512) NOT NULL,
    link_to character varying(24),
    started_at bigint NOT NULL
);
CREATE TABLE public.staff (
    town character varying(32) NOT NULL,
    staff_id character varying(24) NOT NULL,
    name character varying(100) NOT NULL,
    user_handle bytea NOT NULL,
    created_at bigint NOT NULL,
    suspended_at bigint
);
CREATE TABLE public.staff_grants (
    town character varying(32) NOT NULL,
    staff_id character varying(24) NOT NULL,
    role character varying(16) NOT NULL,
    facility_id character varying(32) NOT NULL
);
CREATE TABLE public.staff_invites (
    town character varying(32) NOT NULL,
    secret_sha256 bytea NOT NULL,
    staff_id character varying(24) NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.staff_keys (
    town character varying(32) NOT NULL,
    cti bytea NOT NULL,
    staff_id character varying(40) NOT NULL,
    staff_name character varying(200) NOT NULL,
    lock_id character varying(8) NOT NULL,
    booking_id character varying(24),
    reason character varying(300) NOT NULL,
    raw_token bytea NOT NULL,
    ticket_sha256 bytea NOT NULL,
    not_before bigint NOT NULL,
    expires_at bigint NOT NULL,
    issued_at bigint NOT NULL,
    revoked_at bigint,
    listed_version bigint
);
CREATE TABLE public.status_history (
    lock_id character varying(8) NOT NULL,
    version bigint NOT NULL,
    entries bytea NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.status_outbox (
    lock_id character varying(8) NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    acknowledged_version bigint NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint NOT NULL,
    entries bytea DEFAULT '\x'::bytea NOT NULL,
    town character varying(32) NOT NULL
);
CREATE TABLE public.tokens_ahead (
    town character varying(32) NOT NULL,
    cti bytea NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint NOT NULL,
    taken_at bigint
);
CREATE TABLE public.towns (
    town character varying(32) NOT NULL,
    name character varying(200) NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.web_sessions (
    town character varying(32) NOT NULL,
    cookie_sha256 bytea NOT NULL,
    session_id character varying(24) NOT NULL,
    account_id character varying(24),
    staff_id character varying(24),
    device character varying(60) NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    CONSTRAINT ck_web_sessions_ck_web_sessions_one_owner CHECK (((account_id IS NULL) <> (staff_id IS NULL)))
);
INSERT INTO public.alarms VALUES ('6lj3fhue24wyvmko', 'BATTERY_LOW', 'aaaaaaaa', 'less than 20 % left', 1796432100, 1796432100, 1, 'misaki');
INSERT INTO public.alarms VALUES ('3jxlkb3jdgtxoygd', 'RECORDS_LOST', 'aaaaaaaa', 'its storage refused records', 1796432100, 1796432100, 1, 'misaki');
INSERT INTO public.alembic_version VALUES ('0008');
INSERT INTO public.bookings VALUES ('p377wxay7ko373iw', 'room-1', '山田 花子', 'hanako@example.jp', 1796432400, 1796436000, 'confirmed', 'p377wxay7ko373iw@kannuki', '', 0, 1796432100, 1796432100, 1796432100, 'misaki', 1796432400, 1796436000, NULL, 2, NULL, NULL, 'machine', '', '', '', NULL, 'resident', 0, 0, 0, 0, 0, 0, 'free', 'settled', false, '', '', NULL, '');
INSERT INTO public.bookings VALUES ('eg2kzjtlcwya6ese', 'room-1', '山田 花子', 'hanako@example.jp', 1796439600, 1796446800, 'confirmed', 'eg2kzjtlcwya6ese@kannuki', '', 0, 1796432100, 1796432100, 1796432100, 'misaki', 1796439600, 1796446800, NULL, 3, NULL, NULL, 'machine', '', '', '', NULL, 'resident', 0, 0, 0, 0, 0, 0, 'free', 'settled', false, '', '', NULL, '');
INSERT INTO public.bookings VALUES ('xm2tdkyjn3mvj72c', 'room-1', '山田 花子', 'hanako@example.jp', 1796446800, 1796450400, 'cancelled', 'xm2tdkyjn3mvj72c@kannuki', '', 0, 1796432100, 1796432100, 1796432100, 'misaki', 1796446800, 1796450400, NULL, 3, NULL, NULL, 'machine', '', '', '', NULL, 'resident', 0, 0, 0, 0, 0, 0, 'free', 'void', false, '', '', NULL, '');
INSERT INTO public.bookings VALUES ('b3uyejxxfq4lpvoi', 'room-1', '山田 花子', 'jiro@example.jp', 1796461200, 1796464800, 'confirmed', 'b3uyejxxfq4lpvoi@kannuki', '', 0, 1796432100, 1796432100, 1796432100, 'misaki', 1796461200, 1796464800, NULL, 2, NULL, NULL, 'machine', '', '', '', NULL, 'resident', 0, 0, 0, 0, 0, 0, 'free', 'settled', false, '', '', NULL, '');
INSERT INTO public.credentials VALUES ('\x18455624cd180bc8', 'p377wxay7ko373iw', 'aaaaaaaa', '\xd28449a2013204442ed8b873a05836a703686161616161616161041a6b137278051a6b135fb8061a6b1360e4074818455624cd180bc808a10341010948818264646f6f7207584099d1cc49d1f2f58bab809df4eb7b4d9c5305a9a3bb995065be61821ac435f1ed76544a1ccee2358a05da0f82c00eeb0d5db4fe55b3c58c2433ed252ea46b8506', 1796431800, 1796436600, 1796432100, NULL, 'misaki', '', NULL);
INSERT INTO public.credentials VALUES ('\x84a4ad3dc66e6dc0', 'eg2kzjtlcwya6ese', 'aaaaaaaa', '\xd28449a2013204442ed8b873a05836a703686161616161616161041a6b139ca8051a6b137bd8061a6b1360e4074884a4ad3dc66e6dc008a10341010948818264646f6f72075840e16b5d511bb3a1993197a9f8b4688a41ee10399bff0537963c2bba7c02dd7d12a8e2f6e7ce211f757c1b79eb97ad72c4ad29d56de5cd7453dc5c1bbd8482980c', 1796439000, 1796447400, 1796432100, NULL, 'misaki', '', NULL);
INSERT INTO public.credentials VALUES ('\xe17ce07c787c17c6', 'eg2kzjtlcwya6ese', 'aaaaaaaa', '\xd28449a2013204442ed8b873a05836a703686161616161616161041a6b138e98051a6b137bd8061a6b1360e40748e17ce07c787c17c608a10341010948818264646f6f72075840d47909c7d74c5099b5c8e886455023804659bd059f201055f4eff05da51efd5461c940c3b6db464e2cd31b36ec6e8f40e7add46a33aa7686f01a3fbb67538e06', 1796439000, 1796443800, 1796432100, 1796432100, 'misaki', '', 1);
INSERT INTO public.credentials VALUES ('\xfe513773c4f0e3b3', 'xm2tdkyjn3mvj72c', 'aaaaaaaa', '\xd28449a2013204442ed8b873a05836a703686161616161616161041a6b13aab8051a6b1397f8061a6b1360e40748fe513773c4f0e3b308a10341010948818264646f6f72075840ce4bed27334654f70b7155098adcac3a336b53acb26bf6fced9fc1d664bd5ef284def669ff5fc97e8b2fdda41e052c0be75bf0ee6d86aefcdce700e7cbf0d008', 1796446200, 1796451000, 1796432100, 1796432100, 'misaki', '', 1);
INSERT INTO public.credentials VALUES ('\x969ac1d2f1b2bffb', 'b3uyejxxfq4lpvoi', 'aaaaaaaa', '\xd28449a2013204442ed8b873a05836a703686161616161616161041a6b13e2f8051a6b13d038061a6b1360e40748969ac1d2f1b2bffb08a10341010948818264646f6f720758406cffab9d9dceca01a4b6742ec6917bfc3b0edba53945943e4a2d0af0302e7418ea028be81d4ee12d2eb2e7bae2266ae26deeca9240f08f7f3f22be045bd83903', 1796460600, 1796465400, 1796432100, NULL, 'misaki', '', NULL);
INSERT INTO public.facilities VALUES ('misaki', 'main', '{"ja": "町の施設", "ja-simple": "まちの しせつ", "en": "Town rooms"}', '', '{}', '', 'none', true, NULL, 0, 0, 0);
INSERT INTO public.gateways VALUES ('gw-1', true, '1', 1796432100, 0, 1796432100, 'misaki');
INSERT INTO public.issued_pins VALUES ('misaki', 'aaaaaaaa', 1796438700, 10, 0, 1796447700, 'eg2kzjtlcwya6ese', '', '\x9477926229498051', 1, 1796432100, NULL, NULL);
INSERT INTO public.key_deliveries VALUES ('misaki', 'eg2kzjtlcwya6ese', '', 1, 'confirmed', 'sent', 1, 1796432100, 1796432220, 1796432100, '\xb70a651834a6437f7f7ea7497a3c3cf936b5e767e0b3e6a7e0546cb2792830a2');
INSERT INTO public.key_deliveries VALUES ('misaki', 'p377wxay7ko373iw', '', 1, 'confirmed', 'sent', 1, 1796432100, 1796432220, 1796432100, '\x6bf8b53e0f2612a1cad526256945dd587210f7b8e0209e4eea076a8c1c88c8ee');
INSERT INTO public.key_deliveries VALUES ('misaki', 'xm2tdkyjn3mvj72c', '', 1, 'confirmed', 'sent', 1, 1796432100, 1796432220, 1796432100, '\x2a0431288b90ffd2ac9286908bca934f9d2a5f72ddac3ba9d0c781664bca4b0f');
INSERT INTO public.key_deliveries VALUES ('misaki', 'b3uyejxxfq4lpvoi', '', 1, 'confirmed', 'waiting', 1, 1796432100, 1796432220, NULL, '\x5c15d067b0e949ba8c28f07d46733292fa1cfddc5da33f2b0be7f074aba2d1d2');
INSERT INTO public.key_links VALUES ('\x6bf8b53e0f2612a1cad526256945dd587210f7b8e0209e4eea076a8c1c88c8ee', NULL, 'p377wxay7ko373iw', NULL, 1796432100, NULL, NULL, 'misaki', '', NULL, NULL);
INSERT INTO public.key_links VALUES ('\x2a0431288b90ffd2ac9286908bca934f9d2a5f72ddac3ba9d0c781664bca4b0f', NULL, 'xm2tdkyjn3mvj72c', NULL, 1796432100, NULL, NULL, 'misaki', '', NULL, NULL);
INSERT INTO public.key_links VALUES ('\x5c15d067b0e949ba8c28f07d46733292fa1cfddc5da33f2b0be7f074aba2d1d2', NULL, 'b3uyejxxfq4lpvoi', NULL, 1796432100, NULL, NULL, 'misaki', '', NULL, NULL);
INSERT INTO public.key_links VALUES ('\xb70a651834a6437f7f7ea7497a3c3cf936b5e767e0b3e6a7e0546cb2792830a2', '\x084380c5252664071d7e298b9c200877c1a6c1411574a1c6956c18a15cde8eaa', 'eg2kzjtlcwya6ese', '\x0472b0d5bcaa11beb7a17fd54816492c752392f195bc62fd8d74a141b0876862011c817503c3b1a48c7b46653f5d48bb00e2ccc660c7441f0020322af3004676cb', 1796432100, 1796432100, NULL, 'misaki', '', NULL, NULL);
INSERT INTO public.key_work VALUES ('misaki', 'p377wxay7ko373iw', 1, 1, 0, 1796432100);
INSERT INTO public.key_work VALUES ('misaki', 'eg2kzjtlcwya6ese', 2, 2, 0, 1796432100);
INSERT INTO public.key_work VALUES ('misaki', 'xm2tdkyjn3mvj72c', 2, 2, 0, 1796432100);
INSERT INTO public.key_work VALUES ('misaki', 'b3uyejxxfq4lpvoi', 1, 1, 0, 1796432100);
INSERT INTO public.lock_reach VALUES ('misaki', 'aaaaaaaa', 'gw-1', 1796432100, NULL);
INSERT INTO public.lock_reports VALUES ('aaaaaaaa', 'gw-1', true, 1796432100, 'unknown', 'unknown', 0, 0, 0, NULL, 1796432100, 0, 0, 0, 'unknown', false, 'misaki', 1, 15, '0.1.0');
INSERT INTO public.locks VALUES ('aaaaaaaa', 'room-1', '\x7c947b439ca78309560cc00cd1176b818273f71d4e9544063505438b53545707', 1, 1796432400, '\x90e2cd29bd24b8641553e07dc95176b4c763647b3d912527ac38137483409b85', 'misaki');
INSERT INTO public.locks VALUES ('bbbbbbbb', 'room-2', '\xb4d0708cd3e0ef81272f605ee20dad736718fd357280986c46c5f7e99b8a8d15', 1, 1796432400, '\x52f45e2e511d4eb5c08a828e5fda02efec25f645dee1680b4fb2302ee090a2f0', 'misaki');
INSERT INTO public.locks VALUES ('cccccccc', 'room-3', '\x39b77f79710f56bd4581c47a942813c8908bb403450dbea5e415eed07c202a3e', 1, 1796432400, '\x788dde4c2695803a285e28d41e9b901671590cca763b35328d6efefd37355606', 'misaki');
INSERT INTO public.rooms VALUES ('room-1', '第1会議室', 'misaki', 'main', '{}', '{}', NULL, true);
INSERT INTO public.rooms VALUES ('room-2', '和室', 'misaki', 'main', '{}', '{}', NULL, true);
INSERT INTO public.rooms VALUES ('room-3', '音楽室', 'misaki', 'main', '{}', '{}', NULL, true);
INSERT INTO public.settings VALUES ('keyset', '05c6378ec260e9e8fa0a2812b43921deba1c9ec071ba366e6bd996f808163227', 'misaki');
INSERT INTO public.status_history VALUES ('aaaaaaaa', 1, '\xe17ce07c787c9d45fe513773c4f09d47', 'misaki');
INSERT INTO public.status_outbox VALUES ('aaaaaaaa', 1, '\xd28449a2013204440c0a9297a0583987686161616161616161011a6b1360e41a00079c988002582034a00c5a637335ae88b26655c28902bab70f551cd323a4d70e001c63a041d3fb58406639f34330016c7aafd0f57fe3c44fd77cda3373a5bf6709702b741af1a049d833c9d08de0fa8a68b3962174302122f711dbc1905abd4af7f1433f5ae0a1e903', 0, 0, 1796432100, '\xe17ce07c787c9d45fe513773c4f09d47', 'misaki');
INSERT INTO public.tokens_ahead VALUES ('misaki', '\x18455624cd180bc8', 1, 1796431560, NULL);
INSERT INTO public.towns VALUES ('misaki', '', 0);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist (town WITH =, room_id WITH =, int8range(held_from, held_to) WITH &&) WHERE (((status)::text = ANY ((ARRAY['held'::character varying, 'pending'::character varying, 'confirmed'::character varying])::text[])));
ALTER TABLE ONLY public.account_facts
    ADD CONSTRAINT pk_account_facts PRIMARY KEY (account_id, provider);
ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT pk_account_links PRIMARY KEY (subject_hash);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT pk_accounts PRIMARY KEY (account_id);
ALTER TABLE ONLY public.actions
    ADD CONSTRAINT pk_actions PRIMARY KEY (town, seq);
ALTER TABLE ONLY public.alarm_marks
    ADD CONSTRAINT pk_alarm_marks PRIMARY KEY (alarm_id);
ALTER TABLE ONLY public.alarms
    ADD CONSTRAINT pk_alarms PRIMARY KEY (alarm_id);
ALTER TABLE ONLY public.audit_records
    ADD CONSTRAINT pk_audit_records PRIMARY KEY (lock_id, journal_epoch, seq);
ALTER TABLE ONLY public.booking_holders
    ADD CONSTRAINT pk_booking_holders PRIMARY KEY (holder_id);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT pk_bookings PRIMARY KEY (booking_id);
ALTER TABLE ONLY public.calendar_series
    ADD CONSTRAINT pk_calendar_series PRIMARY KEY (town, uid);
ALTER TABLE ONLY public.closed_days
    ADD CONSTRAINT pk_closed_days PRIMARY KEY (town, facility_id, room_id, day);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT pk_credentials PRIMARY KEY (cti);
ALTER TABLE ONLY public.document_outbox
    ADD CONSTRAINT pk_document_outbox PRIMARY KEY (lock_id, what);
ALTER TABLE ONLY public.facilities
    ADD CONSTRAINT pk_facilities PRIMARY KEY (town, facility_id);
ALTER TABLE ONLY public.gateways
    ADD CONSTRAINT pk_gateways PRIMARY KEY (town, gateway_id);
ALTER TABLE ONLY public.group_evidence
    ADD CONSTRAINT pk_group_evidence PRIMARY KEY (evidence_id);
ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT pk_group_members PRIMARY KEY (group_id, account_id);
ALTER TABLE ONLY public.groups
    ADD CONSTRAINT pk_groups PRIMARY KEY (group_id);
ALTER TABLE ONLY public.issued_pins
    ADD CONSTRAINT pk_issued_pins PRIMARY KEY (lock_id, starts_at, quarters, serial);
ALTER TABLE ONLY public.key_deliveries
    ADD CONSTRAINT pk_key_deliveries PRIMARY KEY (booking_id, holder_id);
ALTER TABLE ONLY public.key_links
    ADD CONSTRAINT pk_key_links PRIMARY KEY (secret_sha256);
ALTER TABLE ONLY public.key_work
    ADD CONSTRAINT pk_key_work PRIMARY KEY (booking_id);
ALTER TABLE ONLY public.lock_reach
    ADD CONSTRAINT pk_lock_reach PRIMARY KEY (lock_id, gateway_id);
ALTER TABLE ONLY public.lock_reports
    ADD CONSTRAINT pk_lock_reports PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.lock_settings
    ADD CONSTRAINT pk_lock_settings PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.locks
    ADD CONSTRAINT pk_locks PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.min_issued_at
    ADD CONSTRAINT pk_min_issued_at PRIMARY KEY (kid, audience);
ALTER TABLE ONLY public.passkey_challenges
    ADD CONSTRAINT pk_passkey_challenges PRIMARY KEY (challenge_sha256);
ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT pk_passkeys PRIMARY KEY (passkey_id);
ALTER TABLE ONLY public.payment_entries
    ADD CONSTRAINT pk_payment_entries PRIMARY KEY (entry_id);
ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT pk_payment_events PRIMARY KEY (town, event_id);
ALTER TABLE ONLY public.payment_orders
    ADD CONSTRAINT pk_payment_orders PRIMARY KEY (reference);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT pk_rooms PRIMARY KEY (town, room_id);
ALTER TABLE ONLY public.seen_heads
    ADD CONSTRAINT pk_seen_heads PRIMARY KEY (lock_id, journal_epoch, seq, record_hash);
ALTER TABLE ONLY public.settings
    ADD CONSTRAINT pk_settings PRIMARY KEY (town, name);
ALTER TABLE ONLY public.sign_in_attempts
    ADD CONSTRAINT pk_sign_in_attempts PRIMARY KEY (number_sha256);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT pk_staff PRIMARY KEY (staff_id);
ALTER TABLE ONLY public.staff_grants
    ADD CONSTRAINT pk_staff_grants PRIMARY KEY (staff_id, role, facility_id);
ALTER TABLE ONLY public.staff_invites
    ADD CONSTRAINT pk_staff_invites PRIMARY KEY (secret_sha256);
ALTER TABLE ONLY public.staff_keys
    ADD CONSTRAINT pk_staff_keys PRIMARY KEY (cti);
ALTER TABLE ONLY public.status_history
    ADD CONSTRAINT pk_status_history PRIMARY KEY (lock_id, version);
ALTER TABLE ONLY public.status_outbox
    ADD CONSTRAINT pk_status_outbox PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.tokens_ahead
    ADD CONSTRAINT pk_tokens_ahead PRIMARY KEY (cti);
ALTER TABLE ONLY public.towns
    ADD CONSTRAINT pk_towns PRIMARY KEY (town);
ALTER TABLE ONLY public.web_sessions
    ADD CONSTRAINT pk_web_sessions PRIMARY KEY (cookie_sha256);
ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT uq_account_links_account_id UNIQUE (account_id, provider);
ALTER TABLE ONLY public.alarms
    ADD CONSTRAINT uq_alarms_town UNIQUE (town, kind, device, detail);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT uq_bookings_town UNIQUE (town, uid, recurrence_id);
ALTER TABLE ONLY public.groups
    ADD CONSTRAINT uq_groups_town UNIQUE (town, name);
ALTER TABLE ONLY public.key_links
    ADD CONSTRAINT uq_key_links_ticket_sha256 UNIQUE (ticket_sha256);
ALTER TABLE ONLY public.locks
    ADD CONSTRAINT uq_locks_town UNIQUE (town, room_id);
ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT uq_passkeys_town UNIQUE (town, credential_sha256);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT uq_rooms_town UNIQUE (town, name);
ALTER TABLE ONLY public.staff_keys
    ADD CONSTRAINT uq_staff_keys_ticket_sha256 UNIQUE (ticket_sha256);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT uq_staff_user_handle UNIQUE (user_handle);
ALTER TABLE ONLY public.web_sessions
    ADD CONSTRAINT uq_web_sessions_session_id UNIQUE (session_id);
CREATE INDEX ix_audit_records_received ON public.audit_records USING btree (town, received_at);
CREATE INDEX ix_audit_records_subject ON public.audit_records USING btree (subject);
CREATE INDEX ix_booking_holders_booking_id ON public.booking_holders USING btree (booking_id);
CREATE INDEX ix_bookings_account_id ON public.bookings USING btree (town, account_id);
CREATE INDEX ix_bookings_group_id ON public.bookings USING btree (town, group_id);
CREATE INDEX ix_bookings_held ON public.bookings USING btree (town, room_id, held_from);
CREATE INDEX ix_bookings_room_time ON public.bookings USING btree (town, room_id, starts_at);
CREATE INDEX ix_bookings_starts_at ON public.bookings USING btree (town, starts_at);
CREATE INDEX ix_credentials_begins ON public.credentials USING btree (town, not_before);
CREATE INDEX ix_credentials_booking_id ON public.credentials USING btree (booking_id);
CREATE INDEX ix_credentials_lock_id ON public.credentials USING btree (lock_id);
CREATE INDEX ix_group_evidence_group_id ON public.group_evidence USING btree (group_id);
CREATE INDEX ix_group_members_account_id ON public.group_members USING btree (town, account_id);
CREATE INDEX ix_issued_pins_booking_id ON public.issued_pins USING btree (booking_id);
CREATE INDEX ix_issued_pins_name ON public.issued_pins USING btree (name);
CREATE INDEX ix_key_links_booking_id ON public.key_links USING btree (booking_id);
CREATE INDEX ix_key_work_due ON public.key_work USING btree (town, next_attempt_at) WHERE (done < wanted);
CREATE INDEX ix_passkey_challenges_created_at ON public.passkey_challenges USING btree (created_at);
CREATE INDEX ix_passkeys_staff_id ON public.passkeys USING btree (staff_id);
CREATE INDEX ix_payment_entries_booking_id ON public.payment_entries USING btree (booking_id);
CREATE INDEX ix_payment_orders_booking_id ON public.payment_orders USING btree (booking_id);
CREATE INDEX ix_sign_in_attempts_started_at ON public.sign_in_attempts USING btree (started_at);
CREATE INDEX ix_staff_invites_staff_id ON public.staff_invites USING btree (staff_id);
CREATE INDEX ix_staff_keys_lock_id ON public.staff_keys USING btree (lock_id);
CREATE INDEX ix_staff_keys_staff_id ON public.staff_keys USING btree (staff_id);
CREATE INDEX ix_web_sessions_account_id ON public.web_sessions USING btree (account_id);
CREATE INDEX ix_web_sessions_staff_id ON public.web_sessions USING btree (staff_id);
CREATE UNIQUE INDEX uq_credentials_live ON public.credentials USING btree (town, booking_id, holder_id) WHERE (revoked_at IS NULL);
CREATE TRIGGER actions_append_only BEFORE DELETE OR UPDATE ON public.actions FOR EACH ROW EXECUTE FUNCTION public.actions_append_only();
CREATE TRIGGER actions_no_truncate BEFORE TRUNCATE ON public.actions FOR EACH STATEMENT EXECUTE FUNCTION public.actions_append_only();
ALTER TABLE ONLY public.account_facts
    ADD CONSTRAINT fk_account_facts_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT fk_account_links_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.audit_records
    ADD CONSTRAINT fk_audit_records_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.booking_holders
    ADD CONSTRAINT fk_booking_holders_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT fk_bookings_town FOREIGN KEY (town, room_id) REFERENCES public.rooms(town, room_id);
ALTER TABLE ONLY public.closed_days
    ADD CONSTRAINT fk_closed_days_town FOREIGN KEY (town, facility_id) REFERENCES public.facilities(town, facility_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT fk_credentials_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT fk_credentials_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.document_outbox
    ADD CONSTRAINT fk_document_outbox_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.group_evidence
    ADD CONSTRAINT fk_group_evidence_group FOREIGN KEY (group_id) REFERENCES public.groups(group_id);
ALTER TABLE ONLY public.group_members
    ADD CONSTRAINT fk_group_members_group FOREIGN KEY (group_id) REFERENCES public.groups(group_id);
ALTER TABLE ONLY public.issued_pins
    ADD CONSTRAINT fk_issued_pins_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.issued_pins
    ADD CONSTRAINT fk_issued_pins_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.key_deliveries
    ADD CONSTRAINT fk_key_deliveries_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.key_links
    ADD CONSTRAINT fk_key_links_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.key_work
    ADD CONSTRAINT fk_key_work_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.lock_reach
    ADD CONSTRAINT fk_lock_reach_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.lock_reports
    ADD CONSTRAINT fk_lock_reports_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.lock_settings
    ADD CONSTRAINT fk_lock_settings_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.locks
    ADD CONSTRAINT fk_locks_town FOREIGN KEY (town, room_id) REFERENCES public.rooms(town, room_id);
ALTER TABLE ONLY public.passkey_challenges
    ADD CONSTRAINT fk_passkey_challenges_staff_id FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.passkeys
    ADD CONSTRAINT fk_passkeys_staff_id FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.payment_entries
    ADD CONSTRAINT fk_payment_entries_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.payment_orders
    ADD CONSTRAINT fk_payment_orders_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT fk_rooms_town FOREIGN KEY (town, facility_id) REFERENCES public.facilities(town, facility_id);
ALTER TABLE ONLY public.seen_heads
    ADD CONSTRAINT fk_seen_heads_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.staff_grants
    ADD CONSTRAINT fk_staff_grants_staff_id FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.staff_invites
    ADD CONSTRAINT fk_staff_invites_staff_id FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.staff_keys
    ADD CONSTRAINT fk_staff_keys_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.staff_keys
    ADD CONSTRAINT fk_staff_keys_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.status_history
    ADD CONSTRAINT fk_status_history_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.status_outbox
    ADD CONSTRAINT fk_status_outbox_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.tokens_ahead
    ADD CONSTRAINT fk_tokens_ahead_cti FOREIGN KEY (cti) REFERENCES public.credentials(cti);
ALTER TABLE ONLY public.web_sessions
    ADD CONSTRAINT fk_web_sessions_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.web_sessions
    ADD CONSTRAINT fk_web_sessions_staff_id FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

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
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alarms (
    alarm_id character varying(24) NOT NULL,
    kind character varying(40) NOT NULL,
    device character varying(32) NOT NULL,
    detail character varying(300) NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    times bigint NOT NULL
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
    value bigint
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
    CONSTRAINT ck_bookings_ck_bookings_ends_after_start CHECK ((ends_at > starts_at)),
    CONSTRAINT ck_bookings_ck_bookings_has_room CHECK (((room_id IS NOT NULL) OR ((status)::text = 'cancelled'::text))),
    CONSTRAINT ck_bookings_ck_bookings_known_status CHECK (((status)::text = ANY ((ARRAY['confirmed'::character varying, 'pending'::character varying, 'cancelled'::character varying])::text[])))
);
CREATE TABLE public.calendar_series (
    uid character varying(255) NOT NULL,
    sequence bigint NOT NULL,
    dtstamp bigint NOT NULL
);
CREATE TABLE public.credentials (
    cti bytea NOT NULL,
    booking_id character varying(24) NOT NULL,
    lock_id character varying(8) NOT NULL,
    raw_token bytea NOT NULL,
    not_before bigint NOT NULL,
    expires_at bigint NOT NULL,
    issued_at bigint NOT NULL,
    revoked_at bigint
);
CREATE TABLE public.document_outbox (
    lock_id character varying(8) NOT NULL,
    what character varying(10) NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    acknowledged_version bigint NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint NOT NULL
);
CREATE TABLE public.gateways (
    gateway_id character varying(32) NOT NULL,
    online boolean NOT NULL,
    version character varying(40) NOT NULL,
    started_at bigint NOT NULL,
    waiting_events bigint NOT NULL,
    heard_at bigint NOT NULL
);
CREATE TABLE public.key_links (
    secret_sha256 bytea NOT NULL,
    ticket_sha256 bytea NOT NULL,
    booking_id character varying(24) NOT NULL,
    device_key bytea,
    created_at bigint NOT NULL,
    claimed_at bigint,
    replaced_at bigint
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
    held_open boolean DEFAULT false NOT NULL
);
CREATE TABLE public.lock_settings (
    lock_id character varying(8) NOT NULL,
    version bigint NOT NULL,
    groups text NOT NULL,
    figures text NOT NULL,
    document bytea NOT NULL
);
CREATE TABLE public.locks (
    lock_id character varying(8) NOT NULL,
    room_id character varying(32),
    public_key bytea NOT NULL,
    journal_epoch bigint NOT NULL,
    enrolled_at bigint NOT NULL,
    signing_key bytea
);
CREATE TABLE public.min_issued_at (
    kid bytea NOT NULL,
    audience character varying(9) NOT NULL,
    "least" bigint NOT NULL
);
CREATE TABLE public.rooms (
    room_id character varying(32) NOT NULL,
    name character varying(200) NOT NULL
);
CREATE TABLE public.seen_heads (
    lock_id character varying(8) NOT NULL,
    journal_epoch bigint NOT NULL,
    seq bigint NOT NULL,
    record_hash bytea NOT NULL,
    source character varying(8) NOT NULL,
    seen_at bigint NOT NULL
);
CREATE TABLE public.settings (
    name character varying(40) NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.status_history (
    lock_id character varying(8) NOT NULL,
    version bigint NOT NULL,
    entries bytea NOT NULL
);
CREATE TABLE public.status_outbox (
    lock_id character varying(8) NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    acknowledged_version bigint NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at bigint NOT NULL,
    entries bytea DEFAULT '\x'::bytea NOT NULL
);
INSERT INTO public.alembic_version VALUES ('0002');
INSERT INTO public.audit_records VALUES ('aaaaaaaa', 1, 1, '\x89011a6b1362111a6b136211050001f6f65820c17c77a2da72625e63d71a27eb6a0999777aeebcf481de2990e5883105a706d3', 1796432401, 1796432401, 5, 0, 1, NULL, 1796432100, NULL);
INSERT INTO public.audit_records VALUES ('aaaaaaaa', 1, 2, '\x89021a6b1362121a6b136212050101f6f65820146b35315d8b41d377deb92b52aca7b1f191ab65a0fbf793fa0f799a9cc55dee', 1796432402, 1796432402, 5, 1, 1, NULL, 1796432100, NULL);
INSERT INTO public.bookings VALUES ('phgjzdmftltkq7rc', 'room-1', '折り紙の会 佐藤 花子', 'origami@example.jp', 1796432400, 1796439600, 'confirmed', 'r-10231@space-share.example', '20261205T010000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('vyn7surtx5fifpsi', 'room-2', '茶道クラブ 田中 一郎', 'sado@example.jp', 1796432400, 1796439600, 'confirmed', 'r-10232@space-share.example', '', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('xhzzztldw6svczjk', 'room-1', '町内会 高橋 三郎', 'chonaikai@example.jp', 1796443200, 1796450400, 'confirmed', 'r-10234@space-share.example', '', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('r3dr5d4jkbtqhslk', 'room-3', 'ブラス練習 伊藤 四季', 'brass@example.jp', 1796461200, 1796468400, 'confirmed', 'r-10235@space-share.example', '', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('x42yix3ggksiq5rl', 'room-3', 'ピアノ発表会 中村 七海', 'piano@example.jp', 1796518800, 1796526000, 'pending', 'r-10239@space-share.example', '', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('p2kkgxyepqceqmtx', 'room-1', 'デジタル推進課', '', 1796616000, 1796623200, 'confirmed', 'r-10237@space-share.example', '', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('njsecsxlcghuaork', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1796706000, 1796713200, 'confirmed', 'r-10236@space-share.example', '20261208T050000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('r4jx6ux4ee77pab6', 'room-1', '折り紙の会 佐藤 花子', 'origami@example.jp', 1797037200, 1797044400, 'confirmed', 'r-10231@space-share.example', '20261212T010000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('mgwpquhe42tsdzie', 'room-2', '生け花展示', '', 1797087600, 1797174000, 'confirmed', 'r-10240@space-share.example', '', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('bkfqao4hyvje3i3e', 'room-1', '折り紙の会 佐藤 花子', 'origami@example.jp', 1797642000, 1797649200, 'confirmed', 'r-10231@space-share.example', '20261219T010000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('xcyjr4u6nsg2iq73', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1797915600, 1797922800, 'confirmed', 'r-10236@space-share.example', '20261222T050000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('elf5ljbmdmwtl4bq', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1799125200, 1799132400, 'confirmed', 'r-10236@space-share.example', '20270105T050000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('qqoyczagsgou37qs', 'room-1', '折り紙の会 佐藤 花子', 'origami@example.jp', 1799456400, 1799463600, 'confirmed', 'r-10231@space-share.example', '20270109T010000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('jhoimzynm7iencao', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1799730000, 1799737200, 'confirmed', 'r-10236@space-share.example', '20270112T050000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('4chip76xeqtcpih5', 'room-1', '折り紙の会 佐藤 花子', 'origami@example.jp', 1800061200, 1800068400, 'confirmed', 'r-10231@space-share.example', '20270116T010000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('va4e6mago4vyyssi', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1800334800, 1800342000, 'confirmed', 'r-10236@space-share.example', '20270119T050000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('tnxlalbmix7iakaz', 'room-1', '折り紙の会 佐藤 花子', 'origami@example.jp', 1800666000, 1800673200, 'confirmed', 'r-10231@space-share.example', '20270123T010000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('vv3mwv3jlxk7fn67', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1800939600, 1800946800, 'confirmed', 'r-10236@space-share.example', '20270126T050000Z', 0, 1794708900, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('r7vihxrmcrieoifp', 'room-3', 'コーラスみさき 鈴木 次郎', 'chorus@example.jp', 1796432400, 1796437800, 'cancelled', 'r-10233@space-share.example', '', 1, 1795586400, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('ef5zfzbazown6r4t', 'room-3', 'バンド練習 山本 六花', 'band@example.jp', 1797058800, 1797067800, 'confirmed', 'r-10238@space-share.example', '', 2, 1795586400, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('en4dvb3yfideet5x', 'room-2', '書道教室 渡辺 五月', 'shodo@example.jp', 1797397200, 1797404400, 'confirmed', 'r-10236@space-share.example', '20261215T050000Z', 1, 1795586400, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('ahfxpzsr2z7pyuyd', 'room-1', '佐藤', '', 1796691600, 1796698800, 'confirmed', 'ahfxpzsr2z7pyuyd@kannuki', '', 0, 1796432100, 1796432100, 1796432100);
INSERT INTO public.bookings VALUES ('bolmownactacu7nu', 'room-2', '鈴木', '', 1796691600, 1796698800, 'cancelled', 'bolmownactacu7nu@kannuki', '', 0, 1796432100, 1796432100, 1796432100);
INSERT INTO public.calendar_series VALUES ('r-10231@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10232@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10234@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10235@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10236@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10237@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10239@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10240@space-share.example', 0, 1794708900);
INSERT INTO public.calendar_series VALUES ('r-10233@space-share.example', 1, 1795586400);
INSERT INTO public.calendar_series VALUES ('r-10238@space-share.example', 2, 1795586400);
INSERT INTO public.credentials VALUES ('\x4b71966892b799b9', '4chip76xeqtcpih5', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b4adf88051a6b4abeb8061a6b1360e407484b71966892b799b908a10341010948818264646f6f720758409ef1afcc4cb9bc630ee49c2c9292aa260043fa517224ebe4a4e3851019566254d9bd4e1db5fed91cc88068cf2363c41676823d30ea41bb04f6230a061c97680d', 1800060600, 1800069000, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\xba1aa8a46a013a97', 'bkfqao4hyvje3i3e', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b25f588051a6b25d4b8061a6b1360e40748ba1aa8a46a013a9708a10341010948818264646f6f72075840736839bf48a41e26c9abe7830bc827f88a5db622420c391cda4c8938fdacf3d6930a7977fd438d056e7a33f4316f2dc3dc09ecc55283b9ce19176291066e5202', 1797641400, 1797649800, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x00517a6f1593f934', 'elf5ljbmdmwtl4bq', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b3c9748051a6b3c7678061a6b1360e4074800517a6f1593f93408a10341010948818264646f6f720758409982647f05e8dae0196491cc0fcbb26de7bed7a8e6a8aac7d86801a6f76e8364a5bec982df1200cd0c8382c91e64429d6cfdaa556abec422edeefbd1cab2d106', 1799124600, 1799133000, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\xca34e76df4f2ee2d', 'jhoimzynm7iencao', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b45d1c8051a6b45b0f8061a6b1360e40748ca34e76df4f2ee2d08a10341010948818264646f6f72075840ba92bfa9f362f3c3316397a7e50f3d64ae7b93a6bd586c8b95affbae4417368b78dd2ecfb1dd51d9e6e49195ef4b291e3c969a1180faa3076261b18e43361b0d', 1799729400, 1799737800, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x5b578e0f9432cf2e', 'mgwpquhe42tsdzie', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b1eb548051a6b1d5f18061a6b1360e407485b578e0f9432cf2e08a10341010948818264646f6f7207584027f033a73dc73f0ecc3abe116866f0358d91fc4d178c85e7bc908ce008debb8ff2d8f36497623b9d8f666c8301207c9d2253563060f01e3f6b9feb27fe11fe06', 1797087000, 1797174600, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\xb20f7201c9fe8b86', 'njsecsxlcghuaork', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b17ad48051a6b178c78061a6b1360e40748b20f7201c9fe8b8608a10341010948818264646f6f7207584034f15092f6ef7d67db01d0eb1246672f29a7171db6fd6715b25a9d5b2bd4171a47abf57358dbe3abca58d7741ba49f0b886d41d10718edcb554cb857c8b8c90c', 1796705400, 1796713800, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\xa844b1b08140198f', 'p2kkgxyepqceqmtx', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b164db8051a6b162ce8061a6b1360e40748a844b1b08140198f08a10341010948818264646f6f7207584013b9697f251b902d01786f3ad9ae1a408d2d0300ec6f7e9c8875970eafece321f6d8866e00a16af66a5e85f5a08b6373aa82f593695aeaa43b9eeffd2580360d', 1796615400, 1796623800, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\xea2e878f75d8a446', 'phgjzdmftltkq7rc', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b138088051a6b135fb8061a6b1360e40748ea2e878f75d8a44608a10341010948818264646f6f720758406b7ee5b144d3323e9359de5975eaf800c737135bd8d058423fe286622a321c697dd4d4f2f8a9df98f2133cfcaa7220c93ed89730e7d987cda4562ea9ce06620f', 1796431800, 1796440200, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x6b68590252552103', 'qqoyczagsgou37qs', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b41a508051a6b418438061a6b1360e407486b6859025255210308a10341010948818264646f6f72075840270576c0d741d9bf1efe2791d91f9806bfefe9643b7b1b3e4850a0d1ac7c4f45a1090ea5c94f8b6eb57e49d59cc7d4df65141aa0e5d0fb720debb95ddd88e408', 1799455800, 1799464200, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\xb5eddb279487d267', 'r3dr5d4jkbtqhslk', 'cccccccc', '\xd28449a201320444c458b6b3a05836a703686363636363636363041a6b13f108051a6b13d038061a6b1360e40748b5eddb279487d26708a10341010948818264646f6f720758401de1a2d5d9c4ccf2624f0a224d4e1827d6305a10f251f42df401af6beb6235b3a2b56ecba75a13e3a9d9de41117a5b57715193833633390451fed34a6b90490c', 1796460600, 1796469000, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x22a9c2836ee9eb9b', 'r4jx6ux4ee77pab6', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b1cbb08051a6b1c9a38061a6b1360e4074822a9c2836ee9eb9b08a10341010948818264646f6f7207584008aa73e9ffb509dcb016a8996c7dc9a57388f9e18428e3cd256b8bedf5773eaac73821bac7333eac7054def8736dfb2b7f5d9ba1af14300745023636d5c95307', 1797036600, 1797045000, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x77d7f84704edc648', 'tnxlalbmix7iakaz', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b541a08051a6b53f938061a6b1360e4074877d7f84704edc64808a10341010948818264646f6f72075840076eb27b30bc60e3f460de0a18e7c186894ab67db1493d82c53a5a574e17d79f6014e927c1a14a2605c6a24e802b1c5dc9b220829f473f333a033de92b313602', 1800665400, 1800673800, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x0b144d83851dd5f5', 'va4e6mago4vyyssi', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b4f0c48051a6b4eeb78061a6b1360e407480b144d83851dd5f508a10341010948818264646f6f72075840d67e7a0685e83e21646ebd6e2ae789e530ed695ffb23ec33ea6ec57a5f7a96071226925ca6362e0806b7da9ea318158c9f12cd42d7f2dd26d25cc1a6732f0d09', 1800334200, 1800342600, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x83fd07ba81b850de', 'vv3mwv3jlxk7fn67', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b5846c8051a6b5825f8061a6b1360e4074883fd07ba81b850de08a10341010948818264646f6f720758403686c846b5987e9fb61a60a03943d4700af9a0fc21af28632ff2f30f45152b40b12ee6a6f208fd3e098d04314ba3013ce7a9147cada4c03abdd4837bc397fa0e', 1800939000, 1800947400, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x1582dd59f94f6bb5', 'vyn7surtx5fifpsi', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b138088051a6b135fb8061a6b1360e407481582dd59f94f6bb508a10341010948818264646f6f720758403803b2d86e630501a9f6abfa9709a8ea0daea3081f10c0fe94d374a32ab38b500ede07ea15f6dc55d3939872c245ef7143425582ead82a609063638fc6399a0f', 1796431800, 1796440200, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x586ee3e1b1ee088c', 'xcyjr4u6nsg2iq73', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b2a2248051a6b2a0178061a6b1360e40748586ee3e1b1ee088c08a10341010948818264646f6f72075840a2f6e40ba396b014e90a31a201670d52be1e3b462538373a03fb46896931b6ef32edd82da08306a21a75f78dc919bae7c90033e904ee1e4013b9944fec1d4f0c', 1797915000, 1797923400, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x829ce4846fdb3df1', 'xhzzztldw6svczjk', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b13aab8051a6b1389e8061a6b1360e40748829ce4846fdb3df108a10341010948818264646f6f72075840becb16af381c900e0fdfdca973319d75d3cfa86846537242907f331634a3eb312d6362fef1fd2901e7795da796085563027033bd0a1db6d98fcecd183729ea00', 1796442600, 1796451000, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x9bb034e5df49968b', 'ef5zfzbazown6r4t', 'cccccccc', '\xd28449a201320444c458b6b3a05836a703686363636363636363041a6b1d0158051a6b1ce088061a6b1360e407489bb034e5df49968b08a10341010948818264646f6f72075840919eda647283f6b040f191fa02bce9ecd26f9c3996fd64c71b6338c754a0f025b8ab2e11d5bdb1f03964f69f28c464981dc4724d07229e515905d9f0e4b9a703', 1797054600, 1797063000, 1796432100, 1796432100);
INSERT INTO public.credentials VALUES ('\xfde7c1a60ccd4d1e', 'ef5zfzbazown6r4t', 'cccccccc', '\xd28449a201320444c458b6b3a05836a703686363636363636363041a6b1d1670051a6b1cee98061a6b1360e40748fde7c1a60ccd4d1e08a10341010948818264646f6f72075840e079571cd4ccbbd2e56d45065a247e6e015491ca7e9d9a241200c43ca7b005fe9e277a2bcb5e8398e88e9ddd59b1518c29a6d73dc971f91b540b3139e1622303', 1797058200, 1797068400, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x13490246fb2d0962', 'en4dvb3yfideet5x', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b20e7c8051a6b20c6f8061a6b1360e4074813490246fb2d096208a10341010948818264646f6f720758409fb117d45c948a68f826419fe9045988bbdfaa0d2fe3c4592245dd8e41fdf28d84e94b81cd55859ca4f66429f50b2b2111c68605305dccb164a3f0bb6406b40a', 1797310200, 1797318600, 1796432100, 1796432100);
INSERT INTO public.credentials VALUES ('\xf572af20123bcfad', 'en4dvb3yfideet5x', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b223948051a6b221878061a6b1360e40748f572af20123bcfad08a10341010948818264646f6f720758405312569f071061dae2d69afceb0f861a3f1375f5a09a3c58490b8411bee9ae13d58f7ff76a744845ded6c7756a7870cb4ec4beedbf5dd43dbbf331f0c5a4a802', 1797396600, 1797405000, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x43652fedef6f5ecc', 'r7vihxrmcrieoifp', 'cccccccc', '\xd28449a201320444c458b6b3a05836a703686363636363636363041a6b137980051a6b135fb8061a6b1360e4074843652fedef6f5ecc08a10341010948818264646f6f720758402c1deebde2a87604e9ad3af778806987ed35e81e700b75cfdf7534702e5f239163a19b1940433a5410d5e747749cdde016c21a6deb3c32f759e270894a54ba00', 1796431800, 1796438400, 1796432100, 1796432100);
INSERT INTO public.credentials VALUES ('\x0064bbe86e9e6c7a', 'ahfxpzsr2z7pyuyd', 'aaaaaaaa', '\xd28449a201320444c458b6b3a05836a703686161616161616161041a6b177508051a6b175438061a6b1360e407480064bbe86e9e6c7a08a10341010948818264646f6f720758401f698faeeda293666ba34d63c308e87a19f8661b154189ff255deecb5bbcaf77d44c4418e8f7f735a0c470093cab56f6d22566051f77245cba8a42c8f7c65a04', 1796691000, 1796699400, 1796432100, NULL);
INSERT INTO public.credentials VALUES ('\x9ab7ef7ae81566ad', 'bolmownactacu7nu', 'bbbbbbbb', '\xd28449a201320444c458b6b3a05836a703686262626262626262041a6b177508051a6b175438061a6b1360e407489ab7ef7ae81566ad08a10341010948818264646f6f720758409a4006f28b2841c6aa8cd615b89251155d5ff7a8b4037043f685e8a7e814790610160bf13f7403727bc785d92c0a758b4bf3aa932b548a64bcccc02e85a29102', 1796691000, 1796699400, 1796432100, 1796432100);
INSERT INTO public.document_outbox VALUES ('aaaaaaaa', 'config', 1, '\xd28449a201320444219e3f2fa0583185686161616161616161011a6b1360e480a801191388021907d0031901f4041a0001d4c00519138806183c0701081970805840efde1098b52e0a9dcc3570e320899f168ab1dcada62f12cb3853495f7e382a47c7f1b850154504a8b86e50321973366ddb2b5a18ca9e9a329be021b596373c0e', 0, 0, 1796432100);
INSERT INTO public.gateways VALUES ('gw-1', true, '1', 1796432400, 0, 1796432100);
INSERT INTO public.key_links VALUES ('\x1e94bf8a0e92e6dd4d48bf7ccf1fced228e4379a2ef8ec66ecc32ce48be7678a', '\x0c9b1483d4d708ae0f18e8f0415957de9914efc6b6b530aca57665b680579ed2', 'ahfxpzsr2z7pyuyd', NULL, 1796432100, NULL, NULL);
INSERT INTO public.lock_reports VALUES ('aaaaaaaa', NULL, true, 1796432400, 'locked', 'closed', 0, 2, 0, NULL, 1796432100, 0, 0, 0, 'unknown', false);
INSERT INTO public.lock_settings VALUES ('aaaaaaaa', 1, '[]', '{"relock_after_ms": 5000, "travel_timeout_ms": 2000, "settle_ms": 500, "held_after_ms": 120000, "jam_retry_ms": 5000, "doubt_s": 60, "pin_allowed": 1, "max_hold_s": 28800}', '\xd28449a201320444219e3f2fa0583185686161616161616161011a6b1360e480a801191388021907d0031901f4041a0001d4c00519138806183c0701081970805840efde1098b52e0a9dcc3570e320899f168ab1dcada62f12cb3853495f7e382a47c7f1b850154504a8b86e50321973366ddb2b5a18ca9e9a329be021b596373c0e');
INSERT INTO public.locks VALUES ('aaaaaaaa', 'room-1', '\x9d56ff6266cdf225307fe82d621e60dbbe9a913dffe5e4d2eaf2e932e80c3e05', 1, 1796432400, '\xce7c6cf03b1653323fd5fb64a00fceeb2e670dc835c19ed726c19acf4c1185ee');
INSERT INTO public.locks VALUES ('bbbbbbbb', 'room-2', '\xeae626017615687f0fe92d4b9a8a5e4ce185e725c927690f4fcb5227a6c9c47f', 1, 1796432400, '\x7f1efafef906c4b7042a0ab43d93950aa10475dde6fc8805aa5097ee9e906b4b');
INSERT INTO public.locks VALUES ('cccccccc', 'room-3', '\x799a83d64ad8f643c166826ecb421a656870da0a0247371ba4eda2b5372fb666', 1, 1796432400, '\xdcc14e9cf2bb33661bbb548999805965226b4ce4fb6e8592fd26369e1428e90c');
INSERT INTO public.rooms VALUES ('room-1', '第1会議室');
INSERT INTO public.rooms VALUES ('room-2', '和室');
INSERT INTO public.rooms VALUES ('room-3', '音楽室');
INSERT INTO public.settings VALUES ('town', 'misaki');
INSERT INTO public.settings VALUES ('keyset', '87767acb59ae98b0c29d5a7548d920c57792e2c24f81bedc7118b084e3fda4e3');
INSERT INTO public.status_history VALUES ('bbbbbbbb', 1, '\x13490246fb2d9e38');
INSERT INTO public.status_history VALUES ('cccccccc', 1, '\x43652fedef6f9d439bb034e5df499df1');
INSERT INTO public.status_history VALUES ('bbbbbbbb', 2, '\x13490246fb2d9e389ab7ef7ae8159d8c');
INSERT INTO public.status_outbox VALUES ('cccccccc', 1, '\xd28449a201320444c64f34aba0583987686363636363636363011a6b1360e41a00079c9880025820b3ec5a40a02b95b4918e8b1f7f085abf8266cd389cfa909851484718103c0664584017173181732735619a88b67ebaae2302ed042dde1ba341929f1ade167d35d6647cdccbb97b151c0e2534d34e52b7a13ef7f0925d2e77f51083f65fb84b51680c', 0, 0, 1796432100, '\x43652fedef6f9d439bb034e5df499df1');
INSERT INTO public.status_outbox VALUES ('bbbbbbbb', 2, '\xd28449a201320444c64f34aba0583987686262626262626262021a6b1360e41a00079c9880025820a328cd8aa6599e8955e80a7d8c1ae4effead46a20fb90b2a6de8e77dee25a2ec5840632ce297bc1b58073cf85eee30a7fd9c3988bd8cecf3439d2222af5f76cd69d82bd224342436fb454123efe6dd053ff50b1310650814f3a47418af1c9b4d7c00', 0, 0, 1796432100, '\x13490246fb2d9e389ab7ef7ae8159d8c');
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist (room_id WITH =, int8range(starts_at, ends_at) WITH &&) WHERE (((status)::text = ANY ((ARRAY['confirmed'::character varying, 'pending'::character varying])::text[])));
ALTER TABLE ONLY public.alarms
    ADD CONSTRAINT pk_alarms PRIMARY KEY (alarm_id);
ALTER TABLE ONLY public.audit_records
    ADD CONSTRAINT pk_audit_records PRIMARY KEY (lock_id, journal_epoch, seq);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT pk_bookings PRIMARY KEY (booking_id);
ALTER TABLE ONLY public.calendar_series
    ADD CONSTRAINT pk_calendar_series PRIMARY KEY (uid);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT pk_credentials PRIMARY KEY (cti);
ALTER TABLE ONLY public.document_outbox
    ADD CONSTRAINT pk_document_outbox PRIMARY KEY (lock_id, what);
ALTER TABLE ONLY public.gateways
    ADD CONSTRAINT pk_gateways PRIMARY KEY (gateway_id);
ALTER TABLE ONLY public.key_links
    ADD CONSTRAINT pk_key_links PRIMARY KEY (secret_sha256);
ALTER TABLE ONLY public.lock_reports
    ADD CONSTRAINT pk_lock_reports PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.lock_settings
    ADD CONSTRAINT pk_lock_settings PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.locks
    ADD CONSTRAINT pk_locks PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.min_issued_at
    ADD CONSTRAINT pk_min_issued_at PRIMARY KEY (kid, audience);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT pk_rooms PRIMARY KEY (room_id);
ALTER TABLE ONLY public.seen_heads
    ADD CONSTRAINT pk_seen_heads PRIMARY KEY (lock_id, journal_epoch, seq, record_hash);
ALTER TABLE ONLY public.settings
    ADD CONSTRAINT pk_settings PRIMARY KEY (name);
ALTER TABLE ONLY public.status_history
    ADD CONSTRAINT pk_status_history PRIMARY KEY (lock_id, version);
ALTER TABLE ONLY public.status_outbox
    ADD CONSTRAINT pk_status_outbox PRIMARY KEY (lock_id);
ALTER TABLE ONLY public.alarms
    ADD CONSTRAINT uq_alarms_kind UNIQUE (kind, device, detail);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT uq_bookings_uid UNIQUE (uid, recurrence_id);
ALTER TABLE ONLY public.key_links
    ADD CONSTRAINT uq_key_links_ticket_sha256 UNIQUE (ticket_sha256);
ALTER TABLE ONLY public.locks
    ADD CONSTRAINT uq_locks_room_id UNIQUE (room_id);
ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT uq_rooms_name UNIQUE (name);
CREATE INDEX ix_audit_records_subject ON public.audit_records USING btree (subject);
CREATE INDEX ix_bookings_room_time ON public.bookings USING btree (room_id, starts_at);
CREATE INDEX ix_credentials_booking_id ON public.credentials USING btree (booking_id);
CREATE INDEX ix_credentials_lock_id ON public.credentials USING btree (lock_id);
CREATE INDEX ix_key_links_booking_id ON public.key_links USING btree (booking_id);
ALTER TABLE ONLY public.audit_records
    ADD CONSTRAINT fk_audit_records_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.bookings
    ADD CONSTRAINT fk_bookings_room_id FOREIGN KEY (room_id) REFERENCES public.rooms(room_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT fk_credentials_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.credentials
    ADD CONSTRAINT fk_credentials_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.document_outbox
    ADD CONSTRAINT fk_document_outbox_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.key_links
    ADD CONSTRAINT fk_key_links_booking_id FOREIGN KEY (booking_id) REFERENCES public.bookings(booking_id);
ALTER TABLE ONLY public.lock_reports
    ADD CONSTRAINT fk_lock_reports_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.lock_settings
    ADD CONSTRAINT fk_lock_settings_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.locks
    ADD CONSTRAINT fk_locks_room_id FOREIGN KEY (room_id) REFERENCES public.rooms(room_id);
ALTER TABLE ONLY public.seen_heads
    ADD CONSTRAINT fk_seen_heads_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.status_history
    ADD CONSTRAINT fk_status_history_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);
ALTER TABLE ONLY public.status_outbox
    ADD CONSTRAINT fk_status_outbox_lock_id FOREIGN KEY (lock_id) REFERENCES public.locks(lock_id);

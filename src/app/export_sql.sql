-- Written by `cota export sql`: which AI works for whom, for PostgreSQL 13 or later. docs/sql.md.
-- Loading it again replaces what is there, in one transaction.
begin;
set local client_encoding = 'UTF8';
set local standard_conforming_strings = on;
set local client_min_messages = warning;

do $$
begin
    perform pg_catalog.pg_advisory_xact_lock(7236839421150209); -- one loads at a time
    create schema if not exists cota;
    if not exists (select from pg_catalog.pg_roles where rolname = 'cota_reader') then
        create role cota_reader nologin;
    end if;
end
$$;

-- Ids are compared byte by byte, as Cota does.
create table if not exists cota.features (
    id text collate "C" primary key,
    type text not null check (type in ('boolean', 'static', 'metered')),
    category text,
    name_pt text,
    name_en text,
    active boolean not null
);
create table if not exists cota.providers (
    id text collate "C" primary key,
    display_name text,
    status text not null check (status in ('active', 'disabled', 'testing')),
    relative_cost integer check (relative_cost between 1 and 100),
    default_model text
);
create table if not exists cota.plans (
    id text collate "C" primary key,
    name_pt text,
    name_en text,
    active boolean not null
);
create table if not exists cota.plan_versions (
    id text collate "C" primary key,
    plan text collate "C" not null references cota.plans,
    number integer not null,
    status text not null check (status in ('draft', 'active', 'archived')),
    providers text[] collate "C",         -- null: all
    features text[] collate "C" not null  -- its items; '*': any
);
create table if not exists cota.feature_providers (
    id text collate "C" primary key,
    feature text collate "C" not null references cota.features,
    provider text collate "C" not null,
    role text not null check (role in ('analysis', 'voting', 'consensus', 'generation', 'fallback')),
    weight integer not null check (weight between 0 and 1000),
    ordering bigint not null check (ordering >= 0),
    model text,
    active boolean not null
);
create table if not exists cota.matrix_cells (
    id text collate "C" primary key,
    plan text collate "C" not null references cota.plans,
    feature text collate "C" not null references cota.features,
    provider text collate "C" not null,
    profile text not null check (profile in ('user', 'professional', 'admin', '*')),
    daily_limit bigint check (daily_limit >= 0),      -- null: none
    monthly_limit bigint check (monthly_limit >= 0),
    origin text not null check (origin in ('default', 'promo', 'exclusive')),
    model text,
    active boolean not null
);
create table if not exists cota.groups (
    id text collate "C" primary key,
    name_pt text,
    name_en text,
    priority bigint not null
);
create table if not exists cota.users (
    id text collate "C" primary key,
    customer text collate "C" not null,
    external_id text collate "C" not null,
    profile text check (profile in ('user', 'professional', 'admin')),
    groups text[] collate "C",
    active boolean not null,
    unique (customer, external_id)
);
create table if not exists cota.group_members (
    id text collate "C" primary key,
    "group" text collate "C" not null references cota.groups,
    customer text collate "C" not null,
    "user" text collate "C",              -- null: the whole customer
    valid_from timestamptz,
    valid_to timestamptz
);
create table if not exists cota.overrides (
    id text collate "C" primary key,
    scope text not null check (scope in ('group', 'customer', 'user')),
    scope_id text collate "C" not null,   -- of a user: CUSTOMER/USER
    target text not null check (target in ('feature', 'provider', 'model', 'matrix')),
    op text not null check (op in ('set', 'add', 'multiply', 'max', 'min', 'deny', 'allow')),
    operand numeric,
    metric text,                          -- these select; null: any
    "window" text,
    feature text collate "C",
    provider text collate "C",
    model text collate "C",
    profile text,
    priority bigint not null,
    starts_at timestamptz,
    expires_at timestamptz,
    check (operand is not null or op in ('deny', 'allow'))
);
create index if not exists feature_providers_feature on cota.feature_providers (feature);
create index if not exists matrix_cells_plan on cota.matrix_cells (plan, feature);
create index if not exists plan_versions_plan on cota.plan_versions (plan);
create index if not exists group_members_customer on cota.group_members (customer);
create index if not exists overrides_scope on cota.overrides (scope_id, scope);

-- What one override makes of a limit. Null: no limit.
create or replace function cota.limit_after(value bigint, op text, operand numeric) returns bigint
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case
        when value is null and op in ('add', 'multiply', 'max') then null
        else greatest(0, least(9223372036854775807, case op
            when 'set' then floor(operand)
            when 'add' then value + floor(operand)
            when 'multiply' then trunc(value * least(operand, 9223372036.854775807))
            when 'max' then greatest(value, floor(operand))
            when 'min' then least(value, floor(operand)) -- least passes over null
        end))::bigint
    end
$$;

-- The AIs of a feature, in order: GET /api/v1/resolve. No rows: nobody answers.
create or replace function cota.ai_get_providers_for_context(
    plan text, feature text, profile text, "group" text default null, "user" text default null,
    at timestamptz default now())
returns table (provider text, role text, weight integer, model text, daily_limit bigint,
               monthly_limit bigint, origin text, ordering bigint, source_layer text, source_id text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    in_plan constant text collate "C" := ai_get_providers_for_context.plan;
    in_feature constant text collate "C" := ai_get_providers_for_context.feature;
    in_group constant text collate "C" := ai_get_providers_for_context."group";
    now_at constant timestamptz := ai_get_providers_for_context.at;
    -- "CUSTOMER/USER", or "CUSTOMER/": all that is said about the customer alone.
    in_user constant text collate "C" := ai_get_providers_for_context."user";
    in_customer constant text collate "C" :=
        case when position('/' in in_user) > 1 then split_part(in_user, '/', 1) end;
    in_profile text := ai_get_providers_for_context.profile;
    who record;
    version record;
    known record;
    route record;
    cell record;
    change record;
    in_groups text[];
    has_cells boolean;
    feature_allowed boolean;
    provider_allowed boolean;
    is_open boolean;
    is_refused boolean;
    is_chosen boolean;
    changes integer;
begin
    -- Who it is.
    select u.profile, u.groups, u.active into who
        from cota.users u where in_customer is not null and u.id = in_user;
    if not coalesce(who.active, true) then
        return;
    end if;
    if in_profile is null or in_profile not in ('professional', 'admin') then
        in_profile := 'user';
    end if;
    in_profile := coalesce(who.profile, in_profile);
    -- The newest active version of the plan, and what the feature is.
    select v.providers, v.features into version
        from cota.plan_versions v where v.plan = in_plan and v.status = 'active'
        order by v.number desc, v.id desc limit 1;
    if not found then
        return;
    end if;
    select f.type, f.active into known from cota.features f where f.id = in_feature;
    -- Its groups, by priority.
    select coalesce(array_agg(g.id order by g.priority, g.id), '{}') into in_groups
        from cota.groups g
        where g.id = in_group or g.id = any (who.groups) or g.id in (
            select m."group" from cota.group_members m
            where m.customer = in_customer
                and (m."user" is null or m.customer || '/' || m."user" = in_user)
                and (m.valid_from is null or now_at >= m.valid_from)
                and (m.valid_to is null or now_at < m.valid_to));
    if cardinality(in_groups) > 16 then
        return;
    end if;
    has_cells := exists (select from cota.matrix_cells c
                         where c.plan = in_plan and c.feature = in_feature);
    -- The feature's providers; then those that have a cell and no route.
    for route in
        select r.provider, r.role, r.weight, r.ordering, r.model, 'plan' as layer, r.id,
               false as from_cell, p.default_model
            from cota.feature_providers r left join cota.providers p on p.id = r.provider
            where r.feature = in_feature and r.active and coalesce(p.status, 'active') = 'active'
        union all
        select c.provider, 'generation', 0, 2147483647, null, '', min(c.id), true, p.default_model
            from cota.matrix_cells c left join cota.providers p on p.id = c.provider
            where c.plan = in_plan and c.feature = in_feature
                and coalesce(p.status, 'active') = 'active'
                and not exists (select from cota.feature_providers r
                                where r.feature = in_feature and r.provider = c.provider)
            group by c.provider, p.default_model
        order by ordering, weight desc, from_cell, id
    loop
        -- An exact profile before any, active before inactive, the rarer origin, the first id.
        select c.id, c.active, c.model, c.daily_limit, c.monthly_limit, c.origin into cell
            from cota.matrix_cells c
            where c.plan = in_plan and c.feature = in_feature and c.provider = route.provider
                and c.profile in (in_profile, '*')
            order by c.profile <> '*' desc, c.active desc,
                     array_position(array['exclusive', 'promo', 'default'], c.origin), c.id
            limit 1;
        daily_limit := cell.daily_limit;
        monthly_limit := cell.monthly_limit;
        origin := cell.origin;
        source_layer := 'matrix';
        source_id := cell.id;
        feature_allowed := false;
        provider_allowed := false;
        is_open := false;
        is_refused := false;
        is_chosen := cell.id is not null;
        changes := 0;
        -- Overrides: groups, customer, user; inside a layer by priority, then id.
        for change in
            select o.id, o.scope, o.target, o.op, o.operand, o.metric, o."window"
                from cota.overrides o
                where ((o.scope = 'group' and o.scope_id = any (in_groups))
                       or (o.scope = 'customer' and o.scope_id = in_customer)
                       or (o.scope = 'user' and in_customer is not null and o.scope_id = in_user))
                    and (o.starts_at is null or now_at >= o.starts_at)
                    and (o.expires_at is null or now_at < o.expires_at)
                    and coalesce(o.feature, in_feature) = in_feature
                    and coalesce(o.provider, route.provider) = route.provider
                    and coalesce(o.profile, in_profile) = in_profile
                    and o.model is null
                order by array_position(array['group', 'customer', 'user'], o.scope),
                         case o.scope when 'group' then array_position(in_groups, o.scope_id) end,
                         o.priority, o.id
        loop
            changes := changes + 1;
            if change.op = 'deny' then
                is_refused := is_refused or change.target <> 'matrix' or has_cells;
            elsif change.op = 'allow' then
                feature_allowed := feature_allowed or change.target = 'feature';
                provider_allowed := provider_allowed or change.target = 'provider';
                is_open := is_open or change.target = 'matrix';
                if change.target = 'matrix' and not is_chosen then
                    is_chosen := true; -- it stands for the cell that is missing
                    origin := 'exclusive';
                    source_layer := change.scope;
                    source_id := change.id;
                end if;
            elsif change.target = 'matrix' and coalesce(change.metric, 'requests') = 'requests' then
                if coalesce(change."window", 'day') = 'day' then
                    daily_limit := cota.limit_after(daily_limit, change.op, change.operand);
                end if;
                if coalesce(change."window", 'month') = 'month' then
                    monthly_limit := cota.limit_after(monthly_limit, change.op, change.operand);
                end if;
                if coalesce(change."window", 'day') in ('day', 'month') then
                    source_layer := change.scope;
                    source_id := change.id;
                end if;
            end if;
        end loop;
        continue when is_refused or changes > 64;
        if not feature_allowed then
            continue when not coalesce(known.active, true);
            continue when coalesce(known.type, '') = 'boolean' and not has_cells
                and not version.features && array[in_feature, '*'];
        end if;
        continue when not provider_allowed and version.providers is not null
            and not route.provider = any (version.providers);
        if has_cells and not is_open and not coalesce(cell.active, false) then
            -- Nothing is closed to what an override allows by name.
            continue when not feature_allowed and not provider_allowed;
            is_chosen := false;
        end if;
        if not has_cells or not is_chosen then
            daily_limit := null;
            monthly_limit := null;
            origin := '';
            source_layer := route.layer;
            source_id := case when route.from_cell then '' else route.id end;
        end if;
        provider := route.provider;
        role := route.role;
        weight := route.weight;
        ordering := route.ordering;
        model := coalesce(case when has_cells and is_chosen then cell.model end, route.model,
                          route.default_model, '');
        return next;
    end loop;
end
$$;

-- Only who loads this reads and writes the configuration; a reader asks the function.
revoke all on schema cota from public;
revoke all on all tables in schema cota from public;
revoke all on all functions in schema cota from public;
grant usage on schema cota to cota_reader;
grant execute on function cota.ai_get_providers_for_context(text, text, text, text, text, timestamptz)
    to cota_reader;

-- Whoever asks meanwhile sees what was there before.
delete from cota.overrides;
delete from cota.group_members;
delete from cota.users;
delete from cota.groups;
delete from cota.matrix_cells;
delete from cota.feature_providers;
delete from cota.plan_versions;
delete from cota.plans;
delete from cota.providers;
delete from cota.features;

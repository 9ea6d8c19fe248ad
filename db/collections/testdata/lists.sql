==== page of orders?
select
    case when pg_catalog.clock_timestamp() is not null then n.id::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."id" as "id",
    n."status" as "status",
    n."total" as "total",
    n."customer" as "customer",
    n."created_at" as "created_at",
    c.name as client,
    (
        n.total / 2 -- rounded
    ) as half
        ) as payload
    )
 end,
    null::pg_catalog.int8,
    case when pg_catalog.clock_timestamp() is not null then array[(n."id")::pg_catalog.text]::pg_catalog.text[]::pg_catalog.text end
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[2]::pg_catalog.text[]
order by n."id"
limit ($1)[1]::pg_catalog.int8;
-- with 51, {"*"}

==== count of orders?
select
    null,
    null,
    array[pg_catalog.count(distinct n.id::pg_catalog.text)]::pg_catalog.text
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[1]::pg_catalog.text[]
;
-- with {"*"}

==== page of orders?where.status=in.(open,paid)&any=(total.gt.5,customer.eq.1)&order=total.desc,customer&grant=user:1
select
    case when pg_catalog.clock_timestamp() is not null then n.id::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."id" as "id",
    n."status" as "status",
    n."total" as "total",
    n."customer" as "customer",
    n."created_at" as "created_at",
    c.name as client,
    (
        n.total / 2 -- rounded
    ) as half
        ) as payload
    )
 end,
    null::pg_catalog.int8,
    case when pg_catalog.clock_timestamp() is not null then array[(n."total")::pg_catalog.text, (n."customer")::pg_catalog.text, (n."id")::pg_catalog.text]::pg_catalog.text[]::pg_catalog.text end
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    ((n."customer" = ($1)[2]::pg_catalog.int8 or n."total" > ($1)[3]::pg_catalog.numeric) and n."status" = any(($1)[4]::pg_catalog.text[]))
    and (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[5]::pg_catalog.text[]
order by n."total" desc, n."customer", n."id"
limit ($1)[1]::pg_catalog.int8;
-- with 51, 1, 5, {"open","paid"}, {"*","user:1"}

==== count of orders?where.status=in.(open,paid)&any=(total.gt.5,customer.eq.1)&order=total.desc,customer&grant=user:1
select
    null,
    null,
    array[pg_catalog.count(distinct n.id::pg_catalog.text)]::pg_catalog.text
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    ((n."customer" = ($1)[1]::pg_catalog.int8 or n."total" > ($1)[2]::pg_catalog.numeric) and n."status" = any(($1)[3]::pg_catalog.text[]))
    and (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[4]::pg_catalog.text[]
;
-- with 1, 5, {"open","paid"}, {"*","user:1"}

==== page of lines?
select
    case when pg_catalog.clock_timestamp() is not null then pg_catalog.json_build_array(n."order", n.pos)::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."order" as "order"
        ) as payload
    ) end,
    null::pg_catalog.int8,
    case when pg_catalog.clock_timestamp() is not null then array[(n."order")::pg_catalog.text, (n."pos")::pg_catalog.text]::pg_catalog.text[]::pg_catalog.text end
from public."Lines" as n
order by n."order", n."pos"
limit ($1)[1]::pg_catalog.int8;
-- with 51

==== count of lines?
select
    null,
    null,
    array[pg_catalog.count(*)]::pg_catalog.text
from public."Lines" as n
;
-- with 

==== page of lines?where.order=7&order=order.desc
select
    case when pg_catalog.clock_timestamp() is not null then pg_catalog.json_build_array(n."order", n.pos)::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."order" as "order"
        ) as payload
    ) end,
    null::pg_catalog.int8,
    case when pg_catalog.clock_timestamp() is not null then array[(n."order")::pg_catalog.text, (n."pos")::pg_catalog.text]::pg_catalog.text[]::pg_catalog.text end
from public."Lines" as n
where
    (n."order" = ($1)[2]::pg_catalog.int8)
order by n."order" desc, n."pos" desc
limit ($1)[1]::pg_catalog.int8;
-- with 51, 7

==== count of lines?where.order=7&order=order.desc
select
    null,
    null,
    array[pg_catalog.count(*)]::pg_catalog.text
from public."Lines" as n
where
    (n."order" = ($1)[1]::pg_catalog.int8)
;
-- with 7

==== page after 35 by total.desc
select
    case when pg_catalog.clock_timestamp() is not null then n.id::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."id" as "id",
    n."status" as "status",
    n."total" as "total",
    n."customer" as "customer",
    n."created_at" as "created_at",
    c.name as client,
    (
        n.total / 2 -- rounded
    ) as half
        ) as payload
    )
 end,
    null::pg_catalog.int8,
    case when pg_catalog.clock_timestamp() is not null then array[(n."total")::pg_catalog.text, (n."id")::pg_catalog.text]::pg_catalog.text[]::pg_catalog.text end
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[2]::pg_catalog.text[]
    and n."total" is null
    and (n."id") < (($1)[3]::bigint)
order by n."total" desc, n."id" desc
limit ($1)[1]::pg_catalog.int8;
select
    case when pg_catalog.clock_timestamp() is not null then n.id::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."id" as "id",
    n."status" as "status",
    n."total" as "total",
    n."customer" as "customer",
    n."created_at" as "created_at",
    c.name as client,
    (
        n.total / 2 -- rounded
    ) as half
        ) as payload
    )
 end,
    null::pg_catalog.int8,
    case when pg_catalog.clock_timestamp() is not null then array[(n."total")::pg_catalog.text, (n."id")::pg_catalog.text]::pg_catalog.text[]::pg_catalog.text end
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[2]::pg_catalog.text[]
    and n."total" is not null
order by n."total" desc, n."id" desc
limit ($1)[1]::pg_catalog.int8;
-- with 3, {"*","user:0","user:1","user:2","user:3"}, 35

==== row 7 of orders
select
    case when pg_catalog.clock_timestamp() is not null then n.id::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."id" as "id",
    n."status" as "status",
    n."total" as "total",
    n."customer" as "customer",
    n."created_at" as "created_at",
    c.name as client,
    (
        n.total / 2 -- rounded
    ) as half
        ) as payload
    )
 end,
    case when pg_catalog.clock_timestamp() is not null then array[]::pg_catalog.text[]::pg_catalog.text end
from public.orders as n
left join public.clients as c on c.id = n.customer
where
    n."id" operator(pg_catalog.=) ($1)[1]::bigint
    and (n.id::pg_catalog.text) collate pg_catalog."C" operator(pg_catalog.=) ($1)[2]::pg_catalog.text
    and (
array['user:' || n.customer]
)::pg_catalog.text[] collate pg_catalog."C" operator(pg_catalog.&&) ($1)[3]::pg_catalog.text[]
limit 1;
-- with 7, 7, {"*","user:1"}

==== row [7, "a"] of lines
select
    case when pg_catalog.clock_timestamp() is not null then pg_catalog.json_build_array(n."order", n.pos)::pg_catalog.text end,
    case when pg_catalog.clock_timestamp() is not null then (
        select pg_catalog.to_json(payload.*)
        from (
select
    n."order" as "order"
        ) as payload
    ) end,
    case when pg_catalog.clock_timestamp() is not null then array[]::pg_catalog.text[]::pg_catalog.text end
from public."Lines" as n
where
    n."order" operator(pg_catalog.=) ($1)[1]::integer
    and n."pos" operator(pg_catalog.=) ($1)[2]::text
    and (pg_catalog.json_build_array(n."order", n.pos)::pg_catalog.text) collate pg_catalog."C" operator(pg_catalog.=) ($1)[3]::pg_catalog.text
limit 1;
-- with 7, a, [7, "a"]


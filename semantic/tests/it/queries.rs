//! Questions as SQL, and the questions that are refused.

use insta::assert_snapshot;
use model::Timestamp;
use semantic::{Catalog, TimeRange, compile};
use std::sync::LazyLock;

use crate::support::{SHOP, answer, catalog, query};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| catalog(SHOP));

fn check(text: &str) -> String {
    answer(&CATALOG, &query(text))
}

#[test]
fn one_metric_by_time_and_a_joined_trait() {
    assert_snapshot!(check("revenue | metric_time__month, profile__country | | -revenue"), @r#"
SELECT
  date_trunc('month', orders.timestamp) AS metric_time__month,
  profile.country AS profile__country,
  CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS revenue
FROM
  events.order_completed AS orders
  LEFT OUTER JOIN profiles.profiles AS profile ON orders.profile_id = profile.profile_id
GROUP BY
  1, 2 ORDER BY revenue DESC NULLS LAST
"#);
}

#[test]
fn a_total_has_no_group() {
    assert_snapshot!(check("orders, revenue"), @r#"
SELECT
  CAST(sum(1) AS BIGINT) AS orders,
  CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS revenue
FROM
  events.order_completed AS orders
"#);
}

#[test]
fn a_ratio_over_one_table_is_one_scan() {
    assert_snapshot!(check("average_order_value | metric_time | {{ Dimension('order__currency') }} = 'EUR' OR {{ Dimension('order__with_coupon') }}; {{ TimeDimension('metric_time', 'year') }} >= '2024-01-01'"), @r#"
SELECT
  date_trunc('day', orders.timestamp) AS metric_time__day,
  CAST(CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS DOUBLE) / CAST(nullif(CAST(sum(1) AS BIGINT), 0) AS DOUBLE) AS average_order_value
FROM
  events.order_completed AS orders
WHERE
  (orders.currency = 'EUR' OR (orders.coupon IS NOT NULL)) AND date_trunc('year', orders.timestamp) >= '2024-01-01'
GROUP BY
  1
"#);
}

#[test]
fn metrics_of_two_tables_meet_by_their_groups_nulls_included() {
    assert_snapshot!(check("orders_per_view, buyers | profile__country"), @r#"
WITH order_count_values AS (
  SELECT
    profile.country AS profile__country,
    CAST(sum(1) AS BIGINT) AS order_count,
    count(DISTINCT orders.profile_id) AS buyers
  FROM
    events.order_completed AS orders
    LEFT OUTER JOIN profiles.profiles AS profile ON orders.profile_id = profile.profile_id
  GROUP BY
    1
), view_count_values AS (
  SELECT
    profile.country AS profile__country,
    CAST(sum(1) AS BIGINT) AS view_count
  FROM
    events.product_viewed AS product_views
    LEFT OUTER JOIN profiles.profiles AS profile ON product_views.profile_id = profile.profile_id
  GROUP BY
    1
)
SELECT
  branches.profile__country,
  CAST(max(branches.order_count) AS DOUBLE) / CAST(nullif(max(branches.view_count), 0) AS DOUBLE) AS orders_per_view,
  max(branches.buyers) AS buyers
FROM
  (
    SELECT
      order_count_values.profile__country,
      order_count_values.order_count,
      CAST(NULL AS BIGINT) AS view_count,
      order_count_values.buyers
    FROM
      order_count_values
    UNION ALL
    SELECT
      view_count_values.profile__country,
      CAST(NULL AS BIGINT) AS order_count,
      view_count_values.view_count,
      CAST(NULL AS BIGINT) AS buyers
    FROM
      view_count_values
  ) AS branches
GROUP BY
  1
"#);
}

#[test]
fn metrics_of_two_tables_without_groups_are_one_row() {
    assert_snapshot!(check("orders, views"), @r#"
SELECT
  order_count_values.order_count AS orders,
  view_count_values.view_count AS views
FROM
  (
    SELECT
      CAST(sum(1) AS BIGINT) AS order_count
    FROM
      events.order_completed AS orders
  ) AS order_count_values
  CROSS JOIN (SELECT CAST(sum(1) AS BIGINT) AS view_count FROM events.product_viewed AS product_views) AS view_count_values
"#);
}

#[test]
fn different_filters_are_different_scans() {
    assert_snapshot!(check("revenue, euro_revenue | metric_time__day"), @r#"
WITH revenue_values AS (
  SELECT
    date_trunc('day', orders.timestamp) AS metric_time__day,
    CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS revenue
  FROM
    events.order_completed AS orders
  GROUP BY
    1
), revenue_2_values AS (
  SELECT
    date_trunc('day', orders.timestamp) AS metric_time__day,
    CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS revenue_2
  FROM
    events.order_completed AS orders
  WHERE
    orders.currency = 'EUR'
  GROUP BY
    1
)
SELECT
  branches.metric_time__day,
  max(branches.revenue) AS revenue,
  max(branches.revenue_2) AS euro_revenue
FROM
  (
    SELECT
      revenue_values.metric_time__day,
      revenue_values.revenue,
      CAST(NULL AS DECIMAL(38,2)) AS revenue_2
    FROM
      revenue_values
    UNION ALL
    SELECT
      revenue_2_values.metric_time__day,
      CAST(NULL AS DECIMAL(38,2)) AS revenue,
      revenue_2_values.revenue_2
    FROM
      revenue_2_values
  ) AS branches
GROUP BY
  1
"#);
}

#[test]
fn audiences_filter_and_group() {
    assert_snapshot!(check("active_revenue"), @r#"
SELECT
  CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS active_revenue
FROM
  events.order_completed AS orders
WHERE
  (orders.profile_id IN (SELECT active_customers.profile_id FROM audiences.active_customers))
"#);
    assert_snapshot!(check("revenue | profile__in_active_customers | NOT {{ Audience('pro_plan') }}"), @r#"
SELECT
  in_active_customers.profile_id IS NOT NULL AS profile__in_active_customers,
  CAST(sum(orders.revenue) AS DECIMAL(38,2)) AS revenue
FROM
  events.order_completed AS orders
  LEFT OUTER JOIN audiences.active_customers AS in_active_customers ON orders.profile_id = in_active_customers.profile_id
  LEFT OUTER JOIN audiences.pro_plan AS in_pro_plan ON orders.profile_id = in_pro_plan.profile_id
WHERE
  NOT (in_pro_plan.profile_id IS NOT NULL)
GROUP BY
  1
"#);
}

#[test]
fn values_without_a_metric_are_distinct() {
    assert_snapshot!(check(" | profile__country | {{ Dimension('profile__plan') }} = 'pro' | profile__country"), @r#"
SELECT DISTINCT
  profiles.country AS profile__country
FROM
  profiles.profiles
WHERE
  profiles.plan = 'pro' ORDER BY profile__country NULLS LAST
"#);
    assert_snapshot!(check(" | profile__country, order__currency"), @r#"
SELECT DISTINCT
  profile.country AS profile__country,
  orders.currency AS order__currency
FROM
  events.order_completed AS orders
  FULL JOIN profiles.profiles AS profile ON orders.profile_id = profile.profile_id
"#);
}

#[test]
fn a_time_range_is_half_open() {
    let mut asked = query("orders | metric_time__day");
    let at = |text| Timestamp::parse(text);
    asked.time = Some(semantic::TimeConstraint::Between(TimeRange {
        from: at("2024-01-01"),
        to: at("2024-02-01T12:30:00.5Z"),
    }));
    asked.limit = Some(10);
    assert_snapshot!(answer(&CATALOG, &asked), @r#"
SELECT
  date_trunc('day', orders.timestamp) AS metric_time__day,
  CAST(sum(1) AS BIGINT) AS orders
FROM
  events.order_completed AS orders
WHERE
  orders.timestamp >= TIMESTAMP '2024-01-01T00:00:00Z' AND orders.timestamp < TIMESTAMP '2024-02-01T12:30:00.500Z'
GROUP BY
  1 LIMIT 10
"#);
}

#[test]
fn profiles_are_counted_without_a_definition() {
    assert_snapshot!(check("profile_count | profile__plan | {{ Audience('active_customers') }}"), @r#"
SELECT
  profiles.plan AS profile__plan,
  CAST(sum(1) AS BIGINT) AS profile_count
FROM
  profiles.profiles
WHERE
  (profiles.profile_id IN (SELECT active_customers.profile_id FROM audiences.active_customers))
GROUP BY
  1
"#);
}

#[test]
fn refusals_name_every_fault_and_what_was_meant() {
    assert_snapshot!(check("revenu, views | profile__contry, order__currency | {{ Dimension('profile__plann') }} = 1"), @r#"
unknown metric 'revenu', did you mean 'revenue'? [unknown_metric]
'profile__contry' is not available for metric 'views': no such dimension, or no join path without fan-out, did you mean 'profile__country'? [unknown_group_by]
'order__currency' is not available for metric 'views': no join path without fan-out [unknown_group_by]
filter, column 1: unknown dimension 'profile__plann', did you mean 'profile__plan'? [bad_filter]
"#);
    assert_snapshot!(check(""), @r#"name at least one metric or group_by [empty_query]"#);
    assert_snapshot!(check("revenue | metric_time__millisecond, order__currency__day"), @r#"
'metric_time__millisecond' is not available for metric 'revenue': 'metric_time__millisecond' is too fine (grain second) [bad_grain]
'order__currency__day' is not available for metric 'revenue': 'order__currency' has no grain day, it is not a time dimension [bad_grain]
"#);
    assert_snapshot!(check("profile_count | order__currency"), @r#"'order__currency' is not available for metric 'profile_count': no join path without fan-out [unknown_group_by]"#);
    assert_snapshot!(check("revenue, revenue | order__currency, order__currency | | views"), @r#"
metric 'revenue' is asked for twice [duplicate_metric]
'order__currency' is asked for twice [duplicate_group_by]
"#);
    assert_snapshot!(check("revenue | metric_time__day, metric_time__month | | metric_time"), @r#"order_by 'metric_time' is ambiguous: metric_time__day, metric_time__month [bad_order_by]"#);
    assert_snapshot!(check("revenue | profile__in_active_customer, profile__audience"), @r#"unknown audience 'active_customer', did you mean 'active_customers'? [unknown_audience]"#);
    assert_snapshot!(check("revenue | | {{ Dimension('order__currency' }} = 1; currency = 'EUR'; {{ Dimenson('x') }}; 1 = (SELECT 1); {{ Audience('nobody') }}"), @r#"
filter, column 32: ',' expected [bad_filter]
filter: 'currency' is a bare column; write {{ Dimension('..') }}, or group by it [bad_filter]
filter, column 4: unknown function 'Dimenson', did you mean 'Dimension'? [bad_filter]
filter, column 1: a subquery is not allowed here [bad_filter]
filter, column 1: unknown audience 'nobody' [bad_filter]
"#);
}

const PATHS: &str = r#"
version: 1
identity: {identifiers: [{name: user_id, limit: 1}, {name: email, normalize: email, limit: 3}]}
semantic_models:
  - name: bookings
    model: shop.bookings
    defaults: {agg_time_dimension: booked_on}
    entities:
      - {name: booking, type: primary}
      - {name: listing, type: foreign, expr: listing_id}
      - {name: guest, type: foreign, expr: guest_id}
      - {name: profile, type: foreign, expr: "data->>'mail'", identifier: email}
    dimensions: [{name: booked_on, type: time, type_params: {time_granularity: month}}]
    measures: [{name: bookings, agg: count, expr: id, create_metric: true}, {name: mailers, agg: count_distinct, expr: profile, create_metric: true}]
  - name: listings
    model: shop.listings
    entities: [{name: listing, type: primary, expr: id}, {name: user, type: foreign, expr: user_id}]
    dimensions: [{name: city, type: categorical, expr: "lower(City) || ''"}]
  - name: guests
    model: shop.guests
    entities: [{name: guest, type: primary, expr: id}, {name: user, type: foreign, expr: user_id}]
    dimensions: [{name: since, type: time, type_params: {time_granularity: day}}]
  - name: users
    model: shop."users"
    entities: [{name: user, type: primary, expr: id}]
    dimensions: [{name: country, type: categorical}]
"#;

#[test]
fn paths_are_followed_two_joins_far_and_never_guessed() {
    let catalog = catalog(PATHS);
    let check = |text: &str| answer(&catalog, &query(text));
    assert_snapshot!(check("bookings | user__country"), @r#"'user__country' is ambiguous: guest__user__country, listing__user__country; name the path [ambiguous_name]"#);
    assert_snapshot!(check("bookings | listing__user__country, listing, listing__city"), @r#"
SELECT
  listing__user.country AS listing__user__country,
  bookings.listing_id AS listing,
  lower(listing.city) || '' AS listing__city,
  CAST(sum(CASE WHEN bookings.id IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS bookings
FROM
  shop.bookings
  LEFT OUTER JOIN shop.listings AS listing ON bookings.listing_id = listing.id
  LEFT OUTER JOIN shop.users AS listing__user ON listing.user_id = listing__user.id
GROUP BY
  1, 2, 3
"#);
    assert_snapshot!(check("bookings | metric_time__day"), @r#"'metric_time__day' is not available for metric 'bookings': 'metric_time__day' is too fine (grain month) [bad_grain]"#);
    assert_snapshot!(check("mailers | metric_time"), @r#"
SELECT
  date_trunc('month', bookings.booked_on) AS metric_time__month,
  count(DISTINCT profile_email.profile_id) AS mailers
FROM
  shop.bookings
  LEFT OUTER JOIN profiles.identifiers AS profile_email ON profile_email.type = 'email' AND profile_email.value = lower(trim(bookings.data ->> 'mail'))
GROUP BY
  1
"#);
    assert_snapshot!(check("bookings | guest__since__week, Entity('guest')"), @r#"
SELECT
  date_trunc('week', guest.since) AS guest__since__week,
  bookings.guest_id AS guest,
  CAST(sum(CASE WHEN bookings.id IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS bookings
FROM
  shop.bookings
  LEFT OUTER JOIN shop.guests AS guest ON bookings.guest_id = guest.id
GROUP BY
  1, 2
"#);
}

#[test]
fn the_text_reads_back_as_the_tree() {
    for text in [
        "revenue | metric_time, profile__country, profile__in_pro_plan",
        "orders_per_view | metric_time__week",
    ] {
        let compiled = compile(&CATALOG, &query(text)).unwrap();
        let dialect = sqlparser::dialect::GenericDialect {};
        let parsed = sqlparser::parser::Parser::parse_sql(&dialect, &compiled.sql).unwrap();
        assert_eq!(parsed[0].to_string(), compiled.statement.to_string());
    }
}

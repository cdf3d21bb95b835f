//! A shop with orders of several currencies and countries, and visits beside them.

use engine::Options;
use tokio::runtime::Handle;

use crate::shop::Shop;

pub const DEFINITIONS: &str = r#"
version: 1
tracking_plan:
  events:
    - name: Order Completed
      properties: {order_id: {type: string}, revenue: {type: "decimal(12,2)"}, currency: {type: string}, points: {type: int64}}
    - name: Page Viewed
      properties: {page: {type: string}}
identity:
  identifiers: [{name: user_id}, {name: email, normalize: email}]
profile:
  traits: {email: {type: string}, country: {type: string}}
semantic_models:
  - name: orders
    description: One row per order.
    model: warehouse.order_completed
    defaults: {agg_time_dimension: ordered_at}
    entities:
      - {name: order, type: primary, expr: order_id}
      - {name: profile, type: foreign, identifier: user_id, expr: user_id}
    dimensions:
      - {name: ordered_at, type: time, expr: timestamp, type_params: {time_granularity: second}}
      - {name: currency, type: categorical}
      - {name: points, type: categorical}
    measures:
      - {name: order_count, agg: count, expr: "1"}
      - {name: revenue, agg: sum}
      - {name: buyers, agg: count_distinct, expr: user_id}
      - {name: biggest, agg: max, expr: revenue}
      - {name: typical, agg: average, expr: revenue}
      - {name: middle, agg: median, expr: points}
  - name: visits
    model: warehouse.page_viewed
    defaults: {agg_time_dimension: seen_at}
    entities:
      - {name: visit, type: primary, expr: id}
      - {name: profile, type: foreign, identifier: user_id, expr: user_id}
    dimensions:
      - {name: seen_at, type: time, expr: timestamp, type_params: {time_granularity: second}}
      - {name: page, type: categorical}
    measures:
      - {name: visit_count, agg: count, expr: "1"}
metrics:
  - {name: orders, type: simple, type_params: {measure: order_count}}
  - {name: revenue, description: Money in., type: simple, type_params: {measure: revenue}}
  - {name: buyers, type: simple, type_params: {measure: buyers}}
  - {name: biggest, type: simple, type_params: {measure: biggest}}
  - {name: typical, type: simple, type_params: {measure: typical}}
  - {name: middle, type: simple, type_params: {measure: middle}}
  - {name: average_order_value, type: ratio, type_params: {numerator: revenue, denominator: orders}}
  - {name: loyal_revenue, type: simple, filter: "{{ Audience('loyal') }}", type_params: {measure: revenue}}
  - {name: visits, type: simple, type_params: {measure: visit_count}}
audiences:
  - {name: loyal, where: {event: Order Completed, count: {gte: 2}}}
"#;

/// Orders: ann (DE, loyal) 10 + 20 EUR in October and November, bob (FR) 5 USD in November, and cleo,
/// who has no profile, 1 EUR in November. Visits: two by ann, one by bob.
pub async fn open() -> Shop {
    open_with(Options::on(Handle::current())).await
}

pub async fn open_with(options: Options) -> Shop {
    let shop = Shop::open_defined(DEFINITIONS, options).await;
    order(&shop, 0, "2026-10-05T10:00:00Z", "ann", "10.00", "EUR", 1);
    order(&shop, 1, "2026-11-01T10:00:00Z", "ann", "20.00", "EUR", 2);
    order(&shop, 2, "2026-11-02T11:30:00Z", "bob", "5.00", "USD", 3);
    order(&shop, 3, "2026-11-02T12:00:00Z", "cleo", "1.00", "EUR", 4);
    for (offset, user, page) in [(4, "ann", "/"), (5, "ann", "/basket"), (6, "bob", "/")] {
        let properties = format!(r#"{{"page":"{page}"}}"#);
        shop.event(offset, "2026-11-03T08:00:00Z", user, "Page Viewed", &properties);
    }
    shop.profile(7, "p1", "ann", "DE");
    shop.profile(8, "p2", "bob", "FR");
    shop.member(9, "loyal", "p1");
    shop
}

pub fn order(shop: &Shop, offset: u64, at: &str, user: &str, revenue: &str, currency: &str, points: i64) {
    let properties = format!(
        r#"{{"order_id":"o{offset}","revenue":{revenue},"currency":"{currency}","points":{points}}}"#
    );
    shop.event(offset, at, user, "Order Completed", &properties);
}

use engine::{Error, Request, ScalarValue};
use model::Principal;

use crate::{lines, run, shop::Shop};

async fn bound(shop: &Shop, text: &str, parameters: Vec<ScalarValue>) -> Result<Vec<String>, Error> {
    let request = Request::Sql { text: text.to_owned(), parameters };
    run(shop, request).await.map(|batch| lines(&batch))
}

fn text(value: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(value.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn values_take_the_place_of_parameters() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 5);
    shop.order(1, "bob", "2.00", 6);
    let check = async |sql: &str, values: Vec<ScalarValue>, expect: &[&str]| {
        let rows = bound(&shop, sql, values).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows, expect, "{sql}");
    };
    check("SELECT user_id FROM order_completed WHERE points = $1", vec![5_i64.into()], &["ann"]).await;
    check(
        "SELECT user_id FROM order_completed WHERE points > ? AND user_id = ?",
        vec![1_i64.into(), text("bob")],
        &["bob"],
    )
    .await;
    // Drivers that know no types send texts.
    check("SELECT user_id FROM order_completed WHERE points = $1", vec![text("6")], &["bob"]).await;
    check("SELECT user_id FROM order_completed WHERE revenue >= $1", vec![text("2.00")], &["bob"]).await;
    check("SELECT user_id FROM order_completed WHERE revenue >= $1", vec![2.0_f64.into()], &["bob"]).await;
    check(
        "SELECT user_id FROM order_completed WHERE timestamp < $1",
        vec![text("2026-11-01 10:00:01")],
        &["ann"],
    )
    .await;
    check("SELECT user_id FROM order_completed WHERE points = $1", vec![ScalarValue::Null], &[]).await;
    check("SELECT $1, $2", vec![1_i64.into(), text("x")], &["1 | x"]).await;
    check("SELECT user_id FROM order_completed ORDER BY 1 LIMIT $1", vec![1_i64.into()], &["ann"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_are_refused() {
    let shop = Shop::open().await;
    let refused = async |sql: &str, values: Vec<ScalarValue>, expect: &str| {
        let outcome = bound(&shop, sql, values).await.map_err(|e| e.to_string());
        assert_eq!(outcome, Err(expect.to_owned()), "{sql}");
    };
    let sql = "SELECT 1 FROM order_completed WHERE points = $1";
    refused(sql, vec![], "the statement has 1 parameters, 0 values are bound").await;
    refused(sql, vec![text("many")], "parameter $1: 'many' is not a value of type Int64").await;
    refused("SELECT $2", vec![text("a")], "parameters are $1, $2, .. without a gap; '$2' does not fit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepare_tells_types_of_parameters_and_columns() {
    let shop = Shop::open().await;
    let sql = "SELECT user_id, points FROM order_completed WHERE points = ? AND currency = ?";
    let prepared = shop.engine.prepare(&Principal::local_admin(), &Request::sql(sql)).await.unwrap();
    let types: Vec<String> =
        prepared.parameters.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    assert_eq!(types, ["$1 Int64", "$2 Utf8"]);
    let request = Request::Sql { text: sql.to_owned(), parameters: vec![1_i64.into(), text("EUR")] };
    assert_eq!(run(&shop, request).await.unwrap().schema(), prepared.schema);
}

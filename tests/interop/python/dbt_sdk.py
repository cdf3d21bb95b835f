"""Every operation of the unmodified dbt-sl-sdk, sync and async.

Arguments: host, API key. The variables DBT_SL_GRAPHQL_URL_FORMAT and DBT_SL_ADBC_URL_FORMAT say where the ports are."""
import asyncio
import datetime
import decimal
import inspect
import sys
import time
import warnings

from dbtsl import OrderByGroupBy, OrderByMetric, SemanticLayerClient
from dbtsl.api.shared.query_params import GroupByParam, GroupByType
from dbtsl.asyncio import AsyncSemanticLayerClient
from dbtsl.client.base import ADBC, GRAPHQL
from dbtsl.error import AuthError, QueryFailedError
from dbtsl.models.dimension import DimensionType
from dbtsl.models.entity import EntityType
from dbtsl.models.metric import MetricType
from gql.transport.exceptions import TransportQueryError

warnings.simplefilter("ignore", DeprecationWarning)
host, key = sys.argv[1:3]
D = decimal.Decimal


async def settled(value):
    return await value if inspect.isawaitable(value) else value


def plain(value):
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


def rows(table):
    return [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]


async def fails(error, call):
    try:
        answer = await settled(call())
    except error as raised:
        return str(raised)
    raise AssertionError(f"{answer} instead of {error.__name__}")


async def metadata(client):
    metrics = {metric.name: metric for metric in await settled(client.metrics())}
    assert {"orders", "revenue", "average_order_value"} <= set(metrics), sorted(metrics)
    revenue = metrics["revenue"]
    assert revenue.type == MetricType.SIMPLE and metrics["average_order_value"].type == MetricType.RATIO
    assert revenue.label and not revenue.requires_metric_time
    assert revenue.queryable_time_granularities[0] in ("SECOND", "DAY"), revenue.queryable_time_granularities
    dimensions = await settled(client.dimensions(metrics=["revenue"]))
    assert dimensions == revenue.dimensions
    kinds = {dimension.name: dimension.type for dimension in dimensions}
    assert kinds["order__currency"] == DimensionType.CATEGORICAL, kinds
    assert kinds["metric_time"] == kinds["order__ordered_at"] == DimensionType.TIME, kinds
    entities = await settled(client.entities(metrics=["revenue"]))
    assert entities == revenue.entities
    assert {e.name: e.type for e in entities}["order"] == EntityType.PRIMARY, entities
    assert all(entity.role is not None and entity.expr for entity in entities)
    measures = await settled(client.measures(metrics=["average_order_value"]))
    assert {measure.name for measure in measures} == {"revenue", "order_count"}, measures
    assert all(measure.agg_time_dimension == "ordered_at" and measure.expr for measure in measures)
    assert isinstance(await settled(client.saved_queries()), list)
    environment = await settled(client.environment_info())
    assert environment.has_metrics_defined and environment.dialect.name == "POSTGRES", environment


async def queries(client, route):
    client._method_map["query"] = route
    by_currency = dict(metrics=["revenue", "orders"], group_by=["order__currency"], order_by=["-revenue"])
    expect = [
        {"order__currency": "EUR", "revenue": D("30.50"), "orders": 2},
        {"order__currency": "USD", "revenue": D("7.25"), "orders": 1},
    ]
    table = await settled(client.query(**by_currency))
    assert table.column_names == ["order__currency", "revenue", "orders"], table.column_names
    assert rows(table) == expect, rows(table)
    frame = table.to_pandas()
    assert list(frame["order__currency"]) == ["EUR", "USD"], frame
    import polars
    assert polars.from_arrow(table)["orders"].to_list() == [2, 1]
    table = await settled(client.query(**by_currency, limit=1))
    assert rows(table) == expect[:1]
    grouped = dict(
        metrics=["orders"],
        group_by=[GroupByParam("metric_time", GroupByType.TIME_DIMENSION, "month"), GroupByParam("order__currency", GroupByType.DIMENSION, None)],
        order_by=[OrderByGroupBy("order__currency", None, descending=True), OrderByMetric("orders")],
        where=["{{ Dimension('order__currency') }} = 'EUR'", "{{ TimeDimension('metric_time', 'day') }} >= '2020-01-01'"],
    )
    table = await settled(client.query(**grouped))
    assert table.column_names == ["metric_time__month", "order__currency", "orders"], table.column_names
    assert [(row["order__currency"], row["orders"]) for row in rows(table)] == [("EUR", 2)], rows(table)
    assert rows(table)[0]["metric_time__month"].day == 1
    table = await settled(client.query(metrics=["orders"], where=["{{ Dimension('order__currency') }} = 'none'"], group_by=["order__currency"]))
    assert table.num_rows == 0 and table.column_names == ["order__currency", "orders"], table
    error = await fails(QueryFailedError, lambda: client.query(metrics=["revenu"]))
    assert "did you mean 'revenue'?" in error, error
    error = await fails(QueryFailedError, lambda: client.query(metrics=["revenue"], group_by=["order__currency"], where=["{{ Dimension('order__curency') }} = 'x'"]))
    assert "order__currency" in error, error


async def the_rest(client):
    values = await settled(client.dimension_values(metrics=["revenue"], group_by="order__currency"))
    assert sorted(row["order__currency"] for row in rows(values)) == ["EUR", "USD"], values
    await fails(QueryFailedError, lambda: client.dimension_values(metrics=["revenue"], group_by="order__curency"))
    sql = await settled(client.compile_sql(metrics=["revenue"], group_by=["order__currency"], limit=3, where=["{{ Dimension('order__currency') }} <> 'x'"]))
    assert "SELECT" in sql and "LIMIT 3" in sql, sql
    error = await fails(TransportQueryError, lambda: client.compile_sql(metrics=["revenu"]))
    assert "revenue" in error, error
    await fails(TransportQueryError, lambda: client.dimensions(metrics=["revenu"]))
    # A query over the protocol's own parts: created, fetched, cancelled.
    graphql = client._gql
    query_id = await settled(graphql.create_query(metrics=["orders"]))
    started = time.monotonic()
    result = await settled(graphql.get_query_result(query_id=query_id))
    assert result.status.name == "SUCCESSFUL" and result.total_pages == 1 and "SELECT" in result.sql, result
    assert time.monotonic() - started < 2, "the first page was not held"
    assert await settled(graphql.cancel_query(query_id=query_id)) == query_id
    await fails(TransportQueryError, lambda: graphql.get_query_result(query_id="nothing"))
    await fails(TransportQueryError, lambda: graphql.get_query_result(query_id=query_id, page_num=2))


async def every_operation(client):
    await metadata(client)
    for route in (ADBC, GRAPHQL):
        await queries(client, route)
    await the_rest(client)


async def main():
    arguments = dict(environment_id=1, host=host)
    client = SemanticLayerClient(auth_token=key, **arguments)
    with client.session():
        await every_operation(client)
    client = AsyncSemanticLayerClient(auth_token=key, **arguments)
    async with client.session():
        await every_operation(client)
    client = SemanticLayerClient(auth_token=key, lazy=True, **arguments)
    with client.session():
        metric = next(m for m in client.metrics() if m.name == "revenue")
        assert metric.dimensions == [] and len(metric.load_dimensions()) == len(metric.dimensions) > 0
    refused = SemanticLayerClient(auth_token=key + "x", **arguments)
    with refused.session():
        await fails(AuthError, refused.metrics)
        await fails(AuthError, lambda: refused.query(metrics=["orders"]))
    refused = AsyncSemanticLayerClient(auth_token=key + "x", **arguments)
    async with refused.session():
        await fails(AuthError, refused.metrics)
        await fails(AuthError, lambda: refused.query(metrics=["orders"]))


asyncio.run(main())
print("ok")

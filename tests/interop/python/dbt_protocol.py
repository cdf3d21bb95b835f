"""Validates every operation of dbt-sl-sdk against the served schema: its own contract test, which is not in
its package. Arguments: the address of the GraphQL API."""
import sys

import requests
from dbtsl.api.graphql.protocol import GraphQLProtocol
from gql import Client, gql
from gql.utilities.serialize_variable_values import serialize_variable_values
from graphql import build_client_schema, get_introspection_query, print_schema

from dbtsl import OrderByGroupBy, OrderByMetric

answer = requests.post(sys.argv[1], json={"query": get_introspection_query()}).json()
assert "errors" not in answer, answer
client = Client(schema=print_schema(build_client_schema(answer["data"])))
QUERY = {
    "metrics": ["m"],
    "group_by": ["a", "metric_time"],
    "limit": 1,
    "order_by": [OrderByMetric("m", descending=True), OrderByGroupBy("metric_time", "day")],
    "where": ["{{ Dimension('a__b') }} = 'x'"],
    "read_cache": True,
}
VARIABLES = {
    "metrics": {}, "saved_queries": {}, "environment_info": {},
    "dimensions": {"metrics": ["m"]}, "entities": {"metrics": ["m"]}, "measures": {"metrics": ["m"]},
    "create_query": QUERY, "compile_sql": QUERY,
    "get_query_result": {"query_id": "q", "page_num": 2}, "cancel_query": {"query_id": "q"},
}
operations = [name for name in dir(GraphQLProtocol) if not name.startswith("_")]
assert sorted(operations) == sorted(VARIABLES), operations
checked = 0
for name in operations:
    operation = getattr(GraphQLProtocol, name)
    for lazy in (True, False):
        document = gql(operation.get_request_text(lazy=lazy))
        client.validate(document)
        variables = operation.get_request_variables(environment_id=1, variables=VARIABLES[name])
        serialize_variable_values(client.schema, document, variables)
        checked += 1
saved = GraphQLProtocol.create_query.get_request_variables(environment_id=1, variables={"saved_query": "q"})
serialize_variable_values(client.schema, gql(GraphQLProtocol.create_query.get_request_text(lazy=False)), saved)
print(checked)

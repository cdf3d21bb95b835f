// Starts GraphiQL on this server's own endpoint. Subscriptions use the same address as a web socket;
// what is written in the headers editor (an "Authorization: Bearer .." for instance) reaches both.
"use strict";

const endpoint = new URL("/graphql", window.location.href);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

const question = `# Which metrics are there, and who is in which audience?
query Overview {
  metrics(first: 10) {
    nodes { name label kind dimensions { qualifiedName type grains } }
  }
  audiences { name label size description }
}

# Every entry and exit, as it happens:
# subscription Live {
#   audienceChanges(snapshot: true) {
#     cursor
#     heartbeat
#     changes { change reason at audience { name } profile { id } }
#   }
# }
`;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: endpoint.href, subscriptionUrl: socket.href }),
    defaultQuery: question,
  }),
);

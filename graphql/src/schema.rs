//! From the schema's text to a schema that answers.
//!
//! `schema.graphql` says what there is; [`crate::resolve`] says where the values come from. A field
//! without a resolver of its own is the member of that name of its parent's value.

use async_graphql::{
    Context, Value,
    dynamic::{
        Field, FieldFuture, InputObject, InputValue, Object, ResolverContext, Scalar, Schema, SchemaBuilder,
        Subscription, SubscriptionField, TypeRef,
    },
    parser::{
        Positioned, parse_schema,
        types::{
            BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind,
            TypeSystemDefinition,
        },
    },
};

use crate::resolve::{self, Resolver};

const TEXT: &str = include_str!("schema.graphql");

/// The schema in the schema language, as clients see it.
pub fn sdl() -> String {
    builder().finish().expect("the embedded schema is valid").sdl()
}

/// What serves: two views of one schema.
#[derive(Clone)]
pub(crate) struct Schemas {
    /// Names close ones in errors.
    pub(crate) open: Schema,
    /// Tells nothing about names that were not asked for.
    pub(crate) closed: Schema,
}

impl Schemas {
    pub(crate) fn new(deps: &crate::Deps) -> Self {
        let finish = |builder: SchemaBuilder| {
            builder.data(deps.clone()).finish().expect("the embedded schema is valid")
        };
        Self { open: finish(builder()), closed: finish(builder().disable_suggestions()) }
    }
}

fn builder() -> SchemaBuilder {
    let document = parse_schema(TEXT).expect("the embedded schema parses");
    document.definitions.into_iter().fold(
        Schema::build("Query", None, Some("Subscription")),
        |schema, definition| match definition {
            TypeSystemDefinition::Type(definition) => register(schema, &definition.node),
            _ => schema,
        },
    )
}

fn register(schema: SchemaBuilder, definition: &TypeDefinition) -> SchemaBuilder {
    let name = definition.name.node.as_str();
    let description = text(definition.description.as_ref());
    match &definition.kind {
        TypeKind::Scalar => {
            let mut scalar = Scalar::new(name);
            if let Some(text) = description {
                scalar = scalar.description(text);
            }
            schema.register(scalar)
        }
        TypeKind::Object(object) if name == "Subscription" => {
            let fields = object.fields.iter().map(|field| subscription(&field.node));
            schema.register(fields.fold(Subscription::new(name), Subscription::field))
        }
        TypeKind::Object(object) => {
            let mut all = Object::new(name);
            if let Some(text) = description {
                all = all.description(text);
            }
            schema.register(object.fields.iter().fold(all, |all, f| all.field(field(name, &f.node))))
        }
        TypeKind::InputObject(input) => {
            let mut all = InputObject::new(name);
            if let Some(text) = description {
                all = all.description(text);
            }
            schema.register(input.fields.iter().fold(all, |all, field| all.field(argument(&field.node))))
        }
        TypeKind::Interface(_) | TypeKind::Union(_) | TypeKind::Enum(_) => schema,
    }
}

fn field(owner: &str, definition: &FieldDefinition) -> Field {
    let name = definition.name.node.to_string();
    let ty = type_ref(&definition.ty.node);
    let member = name.clone();
    let nullable = definition.ty.node.nullable;
    let mut field = match resolve::resolver(owner, &name) {
        Resolver::Member => {
            Field::new(name, ty, move |ctx| FieldFuture::from_value(resolve::member(&ctx, &member)))
        }
        Resolver::Now(resolve) => {
            Field::new(name, ty, move |ctx| match settled(ctx.ctx, nullable, resolve(&ctx)) {
                Ok(value) => FieldFuture::from_value(value),
                Err(error) => FieldFuture::new(async move { Err::<Option<Value>, _>(error) }),
            })
        }
        Resolver::Later(resolve) => Field::new(name, ty, move |ctx: ResolverContext<'_>| {
            let context = ctx.ctx;
            let answer = resolve(ctx);
            FieldFuture::new(async move { settled(context, nullable, answer.await) })
        }),
    };
    if let Some(text) = text(definition.description.as_ref()) {
        field = field.description(text);
    }
    definition.arguments.iter().fold(field, |field, a| field.argument(argument(&a.node)))
}

/// The error of a field that may be null is reported with its path, which async-graphql leaves out of
/// what a dynamic resolver returns; that of any other field has to be returned.
fn settled(
    ctx: &Context<'_>,
    nullable: bool,
    answer: Result<Value, crate::Error>,
) -> Result<Option<Value>, async_graphql::Error> {
    match answer {
        Ok(value) => Ok(resolve::some(value)),
        Err(error) if nullable => {
            let error = error.shown().into_server_error(ctx.item.pos);
            ctx.add_error(ctx.set_error_path(error));
            Ok(None)
        }
        Err(error) => Err(error.shown()),
    }
}

fn subscription(definition: &FieldDefinition) -> SubscriptionField {
    let ty = type_ref(&definition.ty.node);
    let mut field = SubscriptionField::new(definition.name.node.to_string(), ty, resolve::audience_changes);
    if let Some(text) = text(definition.description.as_ref()) {
        field = field.description(text);
    }
    definition.arguments.iter().fold(field, |field, a| field.argument(argument(&a.node)))
}

fn argument(definition: &InputValueDefinition) -> InputValue {
    let mut input = InputValue::new(definition.name.node.to_string(), type_ref(&definition.ty.node));
    if let Some(text) = text(definition.description.as_ref()) {
        input = input.description(text);
    }
    match &definition.default_value {
        Some(value) => input.default_value(value.node.clone()),
        None => input,
    }
}

fn type_ref(ty: &Type) -> TypeRef {
    let base = match &ty.base {
        BaseType::Named(name) => TypeRef::named(name.to_string()),
        BaseType::List(item) => TypeRef::List(Box::new(type_ref(item))),
    };
    if ty.nullable { base } else { TypeRef::NonNull(Box::new(base)) }
}

fn text(description: Option<&Positioned<String>>) -> Option<String> {
    description.map(|text| text.node.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drift is a failure; the message says how to write it anew.
    #[test]
    fn the_committed_schema_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.graphql");
        let served = sdl();
        if option_env!("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &served).expect("docs/ is writable");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == served,
            "docs/schema.graphql differs: UPDATE_SCHEMA=1 cargo test -p graphql writes it"
        );
    }

    #[test]
    fn every_root_field_has_a_resolver() {
        let document = parse_schema(TEXT).expect("parses");
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let TypeKind::Object(object) = &definition.node.kind else { continue };
            if definition.node.name.node != "Query" {
                continue;
            }
            for field in &object.fields {
                let name = field.node.name.node.as_str();
                assert!(!matches!(resolve::resolver("Query", name), Resolver::Member), "{name}");
            }
        }
    }

    #[test]
    fn the_schema_is_complete() {
        assert!(builder().finish().is_ok());
    }
}

//! What `GetXdbcTypeInfo` says: the types a result can have, as ODBC names them.

use std::sync::LazyLock;

use arrow_flight::sql::{
    Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode,
    metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder},
};

static ALL: LazyLock<XdbcTypeInfoData> =
    LazyLock::new(|| types().build().expect("every type fills the standard's columns"));

/// All types.
pub(crate) fn all() -> &'static XdbcTypeInfoData {
    &ALL
}

fn types() -> XdbcTypeInfoDataBuilder {
    let mut types = XdbcTypeInfoDataBuilder::new();
    let number = |name, data_type, digits| XdbcTypeInfo {
        unsigned_attribute: Some(false),
        num_prec_radix: Some(10),
        ..named(name, data_type, digits)
    };
    types.append(named("boolean", XdbcDataType::XdbcBit, 1));
    types.append(number("integer", XdbcDataType::XdbcInteger, 10));
    types.append(number("bigint", XdbcDataType::XdbcBigint, 19));
    types.append(number("double precision", XdbcDataType::XdbcDouble, 15));
    types.append(XdbcTypeInfo {
        create_params: Some(vec!["precision".to_owned(), "scale".to_owned()]),
        minimum_scale: Some(0),
        maximum_scale: Some(38),
        ..number("numeric", XdbcDataType::XdbcNumeric, 38)
    });
    types
        .append(XdbcTypeInfo { case_sensitive: true, ..quoted("text", XdbcDataType::XdbcVarchar, i32::MAX) });
    types.append(quoted("bytea", XdbcDataType::XdbcVarbinary, i32::MAX));
    types.append(XdbcTypeInfo {
        sql_data_type: XdbcDataType::XdbcDatetime,
        // The protocol's DATE and YEAR share number 1; the generated enum has the second name alone.
        datetime_subcode: Some(XdbcDatetimeSubcode::XdbcSubcodeYear),
        ..quoted("date", XdbcDataType::XdbcDate, 10)
    });
    types.append(XdbcTypeInfo {
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(XdbcDatetimeSubcode::XdbcSubcodeTimestamp),
        minimum_scale: Some(6),
        maximum_scale: Some(6),
        ..quoted("timestamp", XdbcDataType::XdbcTimestamp, 26)
    });
    types
}

fn named(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        auto_increment: Some(false),
        local_type_name: Some(name.to_owned()),
        sql_data_type: data_type,
        ..XdbcTypeInfo::default()
    }
}

fn quoted(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    let quote = Some("'".to_owned());
    XdbcTypeInfo { literal_prefix: quote.clone(), literal_suffix: quote, ..named(name, data_type, size) }
}

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Decimal128Array, Int64Array, StringArray},
    ipc::reader::StreamReader,
};
use axum::http::HeaderValue;

use super::*;

fn sample() -> RecordBatch {
    let amounts = Decimal128Array::from(vec![Some(1050), None]).with_precision_and_scale(38, 2).unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        ("country", Arc::new(StringArray::from(vec![Some("a,\"b\""), Some("")]))),
        ("revenue", Arc::new(amounts)),
        ("orders", Arc::new(Int64Array::from(vec![3, 9_007_199_254_740_993]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn written<F: Format>() -> Vec<u8> {
    let batch = sample();
    let (mut format, mut out) = F::start(&batch.schema()).unwrap();
    out.extend(format.batch(&batch).unwrap());
    out.extend(format.end(r#"{"as_of":7}"#).unwrap());
    out
}

#[test]
fn ndjson_is_an_object_a_line_and_an_end() {
    assert_eq!(
        String::from_utf8(written::<Ndjson>()).unwrap(),
        concat!(
            r#"{"country":"a,\"b\"","revenue":"10.50","orders":3}"#,
            "\n",
            r#"{"country":"","revenue":null,"orders":"9007199254740993"}"#,
            "\n",
            r#"{"$end":{"as_of":7}}"#,
            "\n"
        )
    );
}

#[test]
fn csv_tells_null_from_an_empty_text() {
    assert_eq!(
        String::from_utf8(written::<Csv>()).unwrap(),
        "country,revenue,orders\r\n\"a,\"\"b\"\"\",10.50,3\r\n\"\",,9007199254740993\r\n"
    );
}

#[test]
fn an_arrow_stream_reads_back_and_lacks_its_end_until_it_is_complete() {
    let bytes = written::<ArrowStream>();
    let batches: Result<Vec<_>, _> = StreamReader::try_new(bytes.as_slice(), None).unwrap().collect();
    assert_eq!(batches.unwrap(), [sample()]);
    assert!(bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
}

#[test]
fn a_json_page_holds_so_many_rows_and_says_when_there_are_more() {
    let batch = sample();
    let mut page = JsonPage::start(&batch.schema());
    assert!(page.take(&batch));
    assert_eq!(
        page.finish(false, "{}"),
        concat!(
            r#"{"columns":[{"name":"country","type":"string"},{"name":"revenue","type":"decimal(38,2)"},"#,
            r#"{"name":"orders","type":"int64"}],"rows":[["a,\"b\"","10.50",3],"#,
            r#"["",null,"9007199254740993"]],"truncated":false,"result":{}}"#
        )
    );
    let mut page = JsonPage::start(&batch.schema());
    let all = (0..JsonPage::ROWS / 2).all(|_| page.take(&batch));
    assert!(all && !page.take(&batch));
}

#[test]
fn the_first_offered_format_wins() {
    let check = |accept: &'static str, expect| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        assert_eq!(Accepted::of(&headers), expect, "{accept}");
    };
    check("text/html, application/x-ndjson;q=0.9, */*", Ok(Accepted::Ndjson));
    check("*/*", Ok(Accepted::Json));
    check("text/csv", Ok(Accepted::Csv));
    check("application/vnd.apache.arrow.stream", Ok(Accepted::Arrow));
    check("image/png", Err(Error::NotAcceptable));
    assert_eq!(Accepted::of(&HeaderMap::new()), Ok(Accepted::Json));
}

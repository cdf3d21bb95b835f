//! The text of a template: `semantic_layer.<name>(..)` in Python call syntax (`semantic-layer.md` §4).
//!
//! A real parser, because filters contain `{{ }}`, quotes and commas themselves.

use super::text;

/// Lists and objects inside one another; real ones need three.
const MAX_NESTING: usize = 16;

/// One template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// What stands behind `semantic_layer.`.
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Value)>,
}

/// A value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    None,
    List(Vec<Value>),
    Object(Object),
}

/// `Dimension("x").grain("month").descending(True)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    pub(super) function: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) methods: Vec<(String, Vec<Argument>)>,
}

/// An argument of an object or a method, with its name where one is written.
pub(super) type Argument = (Option<String>, Value);

/// What is wrong with a template, and at which byte of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Reads the template whose `{{` is at `at`; says where its `}}` ends.
pub(super) fn read(statement: &str, at: usize) -> Result<(Call, usize), Fault> {
    let mut reader = Reader { text: statement, at: at + 2, nesting: 0 };
    let start = reader.skip_blanks();
    if reader.word() != "semantic_layer" {
        let message = "'{{' starts a template, such as {{ semantic_layer.query(metrics=['revenue']) }}";
        return Err(Fault { at: start, message: message.to_owned() });
    }
    reader.expect('.')?;
    reader.skip_blanks();
    let name = reader.word().to_owned();
    if name.is_empty() {
        return reader.fault("a name such as query expected after 'semantic_layer.'");
    }
    let arguments = reader.arguments()?.into_iter().map(named).collect::<Result<_, _>>()?;
    reader.skip_blanks();
    if !reader.rest().starts_with("}}") {
        return reader.fault("'}}' expected");
    }
    Ok((Call { name, arguments }, reader.at + 2))
}

/// An object alone, such as `TimeDimension('metric_time', 'day')`.
pub(super) fn object(text: &str) -> Option<Value> {
    let mut reader = Reader { text, at: 0, nesting: 0 };
    let value = reader.value().ok()?;
    let end = reader.skip_blanks();
    (end == text.len() && matches!(value, Value::Object(_))).then_some(value)
}

fn named((at, (name, value)): (usize, Argument)) -> Result<(String, Value), Fault> {
    match name {
        Some(name) => Ok((name, value)),
        None => Err(Fault { at, message: "arguments need a name, such as metrics=['revenue']".to_owned() }),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nesting: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { at: self.at, message: message.into() })
    }

    /// Where the next thing starts.
    fn skip_blanks(&mut self) -> usize {
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.at
    }

    fn take(&mut self, c: char) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<(), Fault> {
        if self.take(c) { Ok(()) } else { self.fault(format!("'{c}' expected")) }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// `(a, b=c)`, each with its place. A comma may follow the last one, as in Python.
    fn arguments(&mut self) -> Result<Vec<(usize, Argument)>, Fault> {
        self.expect('(')?;
        let mut found = Vec::new();
        while !self.take(')') {
            let at = self.skip_blanks();
            found.push((at, self.argument()?));
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(found)
    }

    fn argument(&mut self) -> Result<Argument, Fault> {
        let start = self.at;
        let name = self.word();
        if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && self.take('=') {
            return Ok((Some(name.to_owned()), self.value()?));
        }
        self.at = start;
        Ok((None, self.value()?))
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let start = self.skip_blanks();
        match self.rest().chars().next() {
            Some('\'' | '"') => {
                let (text, length) =
                    text::read(self.rest()).map_err(|(at, message)| Fault { at: start + at, message })?;
                self.at += length;
                Ok(Value::Text(text))
            }
            Some('[') => self.nested(Self::list),
            Some(c) if c.is_ascii_digit() || c == '-' || c == '+' => self.number(),
            _ => match self.word() {
                "True" => Ok(Value::Flag(true)),
                "False" => Ok(Value::Flag(false)),
                "None" => Ok(Value::None),
                "" => self.fault(
                    "a value expected: a text in quotes, a number, True, False, None, a list or an object",
                ),
                function => self.nested(|reader| reader.object(function)),
            },
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        if self.nesting == MAX_NESTING {
            return self.fault(format!("values nest deeper than {MAX_NESTING}"));
        }
        self.nesting += 1;
        let value = read(self);
        self.nesting -= 1;
        value
    }

    fn list(&mut self) -> Result<Value, Fault> {
        self.expect('[')?;
        let mut items = Vec::new();
        while !self.take(']') {
            items.push(self.value()?);
            if !self.take(',') {
                self.expect(']')?;
                break;
            }
        }
        Ok(Value::List(items))
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let rest = self.rest();
        let digits = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
        let length = digits.map_or(rest.len(), |i| i + 1);
        match rest[..length].parse() {
            Ok(number) => {
                self.at += length;
                Ok(Value::Number(number))
            }
            Err(_) => self.fault(format!("'{}' is not a whole number", &rest[..length])),
        }
    }

    fn object(&mut self, function: &str) -> Result<Value, Fault> {
        const KNOWN: [&str; 4] = ["Dimension", "TimeDimension", "Entity", "Metric"];
        if !KNOWN.contains(&function) {
            let at = self.at - function.len();
            let message = format!(
                "unknown value '{function}': a text needs quotes, an object is one of {}",
                KNOWN.join(", ")
            );
            return Err(Fault { at, message });
        }
        let arguments = self.plain_arguments()?;
        let mut methods = Vec::new();
        while self.take('.') {
            let at = self.skip_blanks();
            let method = self.word();
            if !matches!(method, "grain" | "date_part" | "descending") {
                let message = format!("unknown method '{method}': use grain, date_part or descending");
                return Err(Fault { at, message });
            }
            methods.push((method.to_owned(), self.plain_arguments()?));
        }
        Ok(Value::Object(Object { function: function.to_owned(), arguments, methods }))
    }

    fn plain_arguments(&mut self) -> Result<Vec<Argument>, Fault> {
        Ok(self.arguments()?.into_iter().map(|(_, argument)| argument).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, (usize, &str)>) {
        let found = read(text, 0).map(|(call, end)| {
            assert_eq!(&text[end - 2..end], "}}", "{text}");
            let arguments = call.arguments.iter().map(|(name, value)| format!(" {name}={}", shown(value)));
            format!("{}{}", call.name, arguments.collect::<String>())
        });
        assert_eq!(found.as_deref().map_err(|fault| (fault.at, fault.message.as_str())), expect, "{text}");
    }

    fn shown(value: &Value) -> String {
        let all = |arguments: &[Argument]| {
            let one = |(name, value): &Argument| match name {
                Some(name) => format!("{name}={}", shown(value)),
                None => shown(value),
            };
            arguments.iter().map(one).collect::<Vec<_>>().join(" ")
        };
        match value {
            Value::Text(text) => format!("<{text}>"),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::None => "none".to_owned(),
            Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Value::Object(object) => {
                let methods = object.methods.iter().map(|(name, a)| format!(".{name}({})", all(a)));
                format!("{}({}){}", object.function, all(&object.arguments), methods.collect::<String>())
            }
        }
    }

    #[test]
    fn what_the_sdk_sends_is_read() {
        check(
            r#"{{ semantic_layer.query(group_by=["metric_time",TimeDimension("metric_time", "MONTH")],limit=5,metrics=["m"],order_by=[Metric("m").descending(True)],read_cache=True,where=["{{ Dimension('a__b') }} = 'x'"]) }}"#,
            Ok(
                "query group_by=[<metric_time> TimeDimension(<metric_time> <MONTH>)] limit=5 metrics=[<m>] order_by=[Metric(<m>).descending(true)] read_cache=true where=[<{{ Dimension('a__b') }} = 'x'>]",
            ),
        );
        check(
            r#"{{ semantic_layer.dimension_values(group_by="e__d",metrics=["m"]) }}"#,
            Ok("dimension_values group_by=<e__d> metrics=[<m>]"),
        );
        check("{{semantic_layer.saved_queries()}}", Ok("saved_queries"));
    }

    #[test]
    fn blanks_and_commas_stand_where_python_allows_them() {
        check(
            "{{\n semantic_layer . query (\n metrics = [ 'a' , 'b' , ] ,\n limit = -1,\n ) }}",
            Ok("query metrics=[<a> <b>] limit=-1"),
        );
        check("{{ semantic_layer.query(where=None, compile=False) }}", Ok("query where=none compile=false"));
    }

    #[test]
    fn quotes_and_braces_inside_texts_are_text() {
        check(
            r#"{{ semantic_layer.query(where='{{ Dimension("a__b") }} = \'}}\'') }}"#,
            Ok(r#"query where=<{{ Dimension("a__b") }} = '}}'>"#),
        );
        check(
            r#"{{ semantic_layer.query(where="{{ Dimension('a__b') }} = 'say \"hi\", \u00e9'") }}"#,
            Ok(r#"query where=<{{ Dimension('a__b') }} = 'say "hi", é'>"#),
        );
    }

    #[test]
    fn faults_have_a_place() {
        check(
            "{{ Dimension('a') }}",
            Err((3, "'{{' starts a template, such as {{ semantic_layer.query(metrics=['revenue']) }}")),
        );
        check("{{ semantic_layer.query(metrics=['a'] }}", Err((38, "')' expected")));
        check("{{ semantic_layer.query(metrics=['a'])", Err((38, "'}}' expected")));
        check(
            "{{ semantic_layer.query(['a']) }}",
            Err((24, "arguments need a name, such as metrics=['revenue']")),
        );
        check(
            "{{ semantic_layer.query(metrics=a) }}",
            Err((
                32,
                "unknown value 'a': a text needs quotes, an object is one of Dimension, TimeDimension, Entity, Metric",
            )),
        );
        check("{{ semantic_layer.query(limit=1.5) }}", Err((30, "'1.5' is not a whole number")));
        check("{{ semantic_layer.query(metrics='a", Err((32, "the text has no end")));
        check(
            "{{ semantic_layer.query(x=Metric('a').first()) }}",
            Err((38, "unknown method 'first': use grain, date_part or descending")),
        );
        check(
            "{{ semantic_layer.query(metrics=) }}",
            Err((32, "a value expected: a text in quotes, a number, True, False, None, a list or an object")),
        );
        check(
            &format!("{{{{ semantic_layer.query(x={}) }}}}", "[".repeat(99)),
            Err((42, "values nest deeper than 16")),
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\](){}'"\\,=.a-zA-Z0-9é -]{0,60}"#) {
            let _ = read(&format!("{{{{ semantic_layer.query({text}"), 0);
        }
    }
}

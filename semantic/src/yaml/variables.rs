//! `${VAR}` and `${VAR:-default}` inside scalars. They are replaced after YAML is read, so a value of
//! the environment can never change the structure of the file.

use super::{Node, NodeValue};
use crate::report::Report;

/// Fills in every scalar of a file; one that cannot be filled in is reported and becomes bad.
pub(crate) fn fill_variables(
    node: &mut Node,
    variable: &dyn Fn(&str) -> Option<String>,
    report: &mut Report,
) {
    match &mut node.value {
        NodeValue::Scalar { text, .. } if text.contains("${") => match substitute(text, variable) {
            Ok(filled) => *text = filled,
            Err(faults) => {
                for fault in faults {
                    report.error(fault.code, &node.span, fault.message);
                }
                node.value = NodeValue::Bad;
            }
        },
        NodeValue::List(items) => items.iter_mut().for_each(|item| fill_variables(item, variable, report)),
        NodeValue::Map(members) => {
            members.iter_mut().for_each(|(_, value)| fill_variables(value, variable, report));
        }
        _ => {}
    }
}

/// Why a text could not be filled in.
struct Fault {
    code: &'static str,
    message: String,
}

/// The text with every variable replaced, or every fault.
fn substitute(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Fault>> {
    let mut out = String::with_capacity(text.len());
    let mut faults = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}').map(|e| start + e) else {
            let message = "'${' without '}'; write ${VAR} or ${VAR:-default}".to_owned();
            faults.push(Fault { code: "bad_variable", message });
            return Err(faults);
        };
        let inner = &rest[start + 2..end];
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(n, d)| (n, Some(d)));
        let name_fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !name_fits {
            let message =
                format!("'{name}' is not the name of a variable; write ${{VAR}} or ${{VAR:-default}}");
            faults.push(Fault { code: "bad_variable", message });
        } else {
            // As in a shell, `:-` also stands in for an empty variable.
            let value = variable(name).filter(|v| default.is_none() || !v.is_empty());
            match value.or_else(|| default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => {
                    let message =
                        format!("variable '{name}' is not set; set it or write ${{{name}:-default}}");
                    faults.push(Fault { code: "missing_variable", message });
                }
            }
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    if faults.is_empty() { Ok(out) } else { Err(faults) }
}

//! What must be a JSON object: derived structs also take an array of their fields in order, which the contract does not
//! know.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A value that is only decoded from an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Point<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(default)]
        x: u8,
    }

    #[test]
    fn only_objects_are_taken() {
        let read = |text| serde_json::from_str::<Object<Point<'_>>>(text).map(|Object(point)| point);
        let point = read(r#"{"name": "a", "other": [], "x": 1}"#).unwrap();
        assert_eq!(point, Point { name: "a".into(), x: 1 });
        assert!(matches!(point.name, Cow::Borrowed(_)), "nothing is copied");
        for text in [r#"["a", 1]"#, r#"["a"]"#, "[]", r#""a""#, "1", "null", r#"{"x": 1}"#, r#"{"name": "a"} {}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(r#"["a", 1]"#).unwrap_err().to_string().contains("expected an object"));
    }
}
